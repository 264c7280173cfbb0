package access

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/publicurl"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

// tokens makes a file with a token for each name, and returns the secrets.
func tokens(t *testing.T, names ...string) (file string, secrets []string) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "tokens")
	err := Change(t.Context(), file, func(list []Token) ([]Token, error) {
		for _, name := range names {
			expires := time.Time{}
			if name == "old" {
				expires = time.Now().Add(-time.Second)
			}
			one, secret, err := NewToken(name, expires)
			if err != nil {
				return nil, err
			}
			list, secrets = append(list, one), append(secrets, secret)
		}
		return list, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return file, secrets
}

// echo answers with the client, and says whether a secret came through.
var echo = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	fmt.Fprintf(w, "%s %q", store.Client(r.Context()), r.Header.Get("Authorization"))
})

// A client with a valid token is let in, in each form that cargo, git and browsers use; a
// client without one gets cargo's form of a refusal, and the handler behind sees no token.
func TestTokens(t *testing.T) {
	file, secrets := tokens(t, "ci", "old")
	f, err := Open(file, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	public, err := publicurl.Parse("https://mirror.example/rust")
	if err != nil {
		t.Fatal(err)
	}
	h := New(Config{Tokens: f, PublicURL: public}, echo)
	basic := func(password string) string {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.SetBasicAuth("x", password)
		return r.Header.Get("Authorization")
	}
	for _, tt := range []struct {
		path, header string
		status       int
		want         string
	}{
		{"/index/config.json", secrets[0], 200, `token:ci ""`},
		{"/index/3/f/foo", "Bearer " + secrets[0], 200, `token:ci ""`},
		{"/git/index/info/refs", basic(secrets[0]), 200, `token:ci ""`},
		{"/index/config.json", "", 401, "This mirror wants a token"},
		{"/crates/foo/1.0.0/download", secrets[0] + "x", 401, "This mirror wants a token"},
		{"/index/config.json", secrets[1], 401, "This mirror wants a token"},
		{"/index/config.json", strings.Repeat("x", 1<<20), 401, "This mirror wants a token"},
		{"/api/v1/crates?q=x", "", 401, `{"errors":[{"detail":"This mirror wants a token`},
		{"/rust/login", "", 200, "This mirror wants a token. Its operator makes one (clonecratesio token add NAME)"},
		{"/login", "", 200, "This mirror wants a token. Its operator makes one (clonecratesio token add NAME)"},
		{"/", "", 401, "This mirror wants a token"},
	} {
		r := httptest.NewRequest(http.MethodGet, tt.path, nil)
		if tt.header != "" {
			r.Header.Set("Authorization", tt.header)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != tt.status || !strings.HasPrefix(w.Body.String(), tt.want) {
			t.Errorf("%s with %.20q: %d %s, want %d %s", tt.path, tt.header, w.Code, w.Body, tt.status, tt.want)
		}
		if got := w.Header().Get("WWW-Authenticate"); tt.status == 401 && got != `Cargo login_url="https://mirror.example/rust/login"` {
			t.Errorf("%s: WWW-Authenticate: %s", tt.path, got)
		}
		if tt.header != "" && r.Header.Get("Authorization") != tt.header {
			t.Errorf("%s: the request of the caller was changed", tt.path)
		}
	}
}

// A token is valid as soon as it is in the file, and only while it is; an invalid file
// changes nothing, and none of its content gets into the log.
func TestTokensAreReadAgain(t *testing.T) {
	file, secrets := tokens(t, "ci")
	var log bytes.Buffer
	f, err := Open(file, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	good := func() bool {
		_, ok := f.Tokens().Find(secrets[0], time.Now())
		return ok
	}
	if !good() {
		t.Fatal("a token of the file is not good")
	}
	if err := os.WriteFile(file, []byte("ci "+secrets[0]+" -\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	f.Look()
	f.Look()
	if !good() || strings.Count(log.String(), "level=ERROR") != 1 || strings.Contains(log.String(), secrets[0]) {
		t.Errorf("good %v, the log:\n%s", good(), &log)
	}
	if err := os.WriteFile(file, []byte("# none\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	f.Look()
	if good() {
		t.Error("a token that was removed is good")
	}
	if info, err := os.Stat(file); err != nil || runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}

// The address is that of the connection, unless a trusted proxy reports another.
func TestAddress(t *testing.T) {
	h := New(Config{Proxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}, echo)
	for _, tt := range []struct{ remote, forwarded, want string }{
		{"192.0.2.1:99", "", "192.0.2.1"},
		{"192.0.2.1:99", "203.0.113.9", "192.0.2.1"},
		{"10.0.0.1:99", "203.0.113.9", "203.0.113.9"},
		{"10.0.0.1:99", "1.2.3.4, 203.0.113.9, 10.0.0.2", "203.0.113.9"},
		{"10.0.0.1:99", "evil", "10.0.0.1"},
		{"[::ffff:192.0.2.1]:99", "", "192.0.2.1"},
		{"[2001:db8:1:2:3::4]:99", "", "2001:db8:1:2::/64"},
		{"[fe80::1%eth0]:99", "", "fe80::/64"},
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr = tt.remote
		r.Header.Set("X-Forwarded-For", tt.forwarded)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if got := w.Body.String(); got != tt.want+` ""` {
			t.Errorf("%s, %q: %s, want %s", tt.remote, tt.forwarded, got, tt.want)
		}
	}
}

// A request over the limit waits, at no cost to other clients; one that would wait too long
// is asked to come back later.
func TestLimits(t *testing.T) {
	c := newClients(Limits{Requests: 100, AtOnce: 2, Bytes: 64 << 10})
	begin := time.Now()
	for range 420 { // 400 of them at once
		release, _, err := c.take(t.Context(), "greedy", httptest.NewRecorder())
		if err != nil {
			t.Fatal(err)
		}
		release()
	}
	if took := time.Since(begin); took < 150*time.Millisecond || took > 3*time.Second {
		t.Errorf("420 requests at 100 a second, 400 of them in a burst, took %v", took)
	}
	begin = time.Now()
	release, w, err := c.take(t.Context(), "other", httptest.NewRecorder())
	if err != nil || time.Since(begin) > 50*time.Millisecond {
		t.Errorf("another client: %v after %v", err, time.Since(begin))
	}
	begin = time.Now()
	if n, err := w.Write(make([]byte, 80<<10)); n != 80<<10 || err != nil || time.Since(begin) < 200*time.Millisecond {
		t.Errorf("80 KiB at 64 KiB a second: %d, %v, %v", n, err, time.Since(begin))
	}
	second, _, err := c.take(t.Context(), "other", httptest.NewRecorder())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, _, err := c.take(ctx, "other", httptest.NewRecorder()); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a third one at the same time: %v", err)
	}
	second()
	release()
	release, _, err = c.take(t.Context(), "other", httptest.NewRecorder())
	if err != nil {
		t.Fatal(err)
	}
	release()
	for n := range 3 * maxClients {
		c.get(fmt.Sprint("client", n))
	}
	if n := len(c.fresh) + len(c.old); n > maxClients {
		t.Errorf("%d clients are remembered", n)
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"ci " + strings.Repeat("ab", 32) + " -\n", "# x\n\nci 00 -", "a b c d"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		tokens, err := Parse(data)
		if err != nil {
			return
		}
		again, err := Parse(tokens.bytes())
		if err != nil || len(again.list) != len(tokens.list) {
			t.Fatalf("%q is written as %q: %v", data, tokens.bytes(), err)
		}
	})
}
