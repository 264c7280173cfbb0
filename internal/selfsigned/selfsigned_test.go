package selfsigned

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
)

func TestMain(m *testing.M) {
	durabletest.ScratchInMemory()
	os.Exit(m.Run())
}

var names = []string{"localhost", "127.0.0.1", "::1", "mirror.example"}

// made makes what is missing, and returns what is served as a client sees it that trusts
// the authority alone.
func made(t *testing.T, dir string, names []string, now time.Time) *x509.Certificate {
	t.Helper()
	files, err := In(dir, names, now)
	if err != nil {
		t.Fatal(err)
	}
	both, err := tls.LoadX509KeyPair(files.Certificate, files.Key)
	if err != nil {
		t.Fatal(err)
	}
	trusted := x509.NewCertPool()
	if !trusted.AppendCertsFromPEM(read(t, files.Authority)) {
		t.Fatal("the authority is no certificate")
	}
	for _, name := range names {
		if _, err := both.Leaf.Verify(x509.VerifyOptions{Roots: trusted, DNSName: name, CurrentTime: now}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	return both.Leaf
}

func read(t *testing.T, file string) []byte {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// Clients keep one file: it stays, whatever becomes of the server's certificate, which
// stays too as long as it is good.
func TestMadeOnce(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state", "tls")
	now := time.Now()
	first := made(t, dir, names, now)
	authority := string(read(t, filepath.Join(dir, authorityFile)))
	for _, tt := range []struct {
		what  string
		names []string
		now   time.Time
		again bool
	}{
		{"the same", names, now.Add(time.Hour), false},
		{"fewer names", names[:2], now, false},
		{"half of its time is over", names, now.Add(servedFor/2 + time.Hour), true},
		{"another name", append([]string{"other.example"}, names...), now, true},
	} {
		next := made(t, dir, tt.names, tt.now)
		if again := !next.Equal(first); again != tt.again {
			t.Errorf("%s: made again: %v", tt.what, again)
		}
		first = next
		if string(read(t, filepath.Join(dir, authorityFile))) != authority {
			t.Errorf("%s: another authority", tt.what)
		}
	}
	for _, key := range []string{authorityKey, servedKey} {
		if info, err := os.Stat(filepath.Join(dir, key)); err != nil || runtime.GOOS != "windows" && info.Mode() != 0o600 {
			t.Errorf("%s: %v, %v", key, info.Mode(), err)
		}
	}
	made(t, dir, names, now.Add(authorityFor-time.Hour)) // by another authority: the first would end too soon
	if string(read(t, filepath.Join(dir, authorityFile))) == authority {
		t.Error("the authority of ten years ago is used")
	}
}

// What is no key of ours is said with what to do, or made again where no client knows it.
func TestForeignFiles(t *testing.T) {
	dir := t.TempDir()
	first := made(t, dir, names, time.Now())
	if err := os.WriteFile(filepath.Join(dir, servedKey), read(t, filepath.Join(dir, authorityKey)), 0o600); err != nil {
		t.Fatal(err)
	}
	if made(t, dir, names, time.Now()).Equal(first) {
		t.Error("a certificate with another key is served")
	}
	if err := os.WriteFile(filepath.Join(dir, authorityFile), []byte("no certificate"), 0o644); err != nil {
		t.Fatal(err)
	}
	_, err := In(dir, names, time.Now())
	if err == nil || !strings.Contains(err.Error(), "authority.pem and authority.key") || !strings.Contains(err.Error(), "remove both") {
		t.Errorf("%v", err)
	}
}

// Cut off at any operation, the next one makes what is missing.
func TestCutOffAnywhere(t *testing.T) {
	cut := errors.New("cut off")
	for n := 1; ; n++ {
		dir := t.TempDir()
		folder, err := durable.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		left := n
		hooked := durabletest.Hook(folder, func(durabletest.Op) durabletest.Fault {
			if left--; left <= 0 {
				return durabletest.Fault{Err: cut}
			}
			return durabletest.Fault{}
		})
		err = maker{hooked, time.Now()}.make(names)
		folder.Close()
		made(t, dir, names, time.Now())
		if err == nil {
			if n < 10 {
				t.Errorf("%d operations", n)
			}
			return
		}
	}
}
