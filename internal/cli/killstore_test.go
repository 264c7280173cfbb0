package cli

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/audit"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket/address"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket/buckettest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/indextest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/root"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/simreg"
)

// TestI1StoreKills kills syncs into a bucket at random instants, in turn from two folders,
// while upstream publishes. After each, all objects that the root names exist. At the end one
// undisturbed sync has everything, and verify finds no problems.
func TestI1StoreKills(t *testing.T) {
	durabletest.Seldom(t, 3)
	indextest.NeedGit(t)
	for _, kind := range durabletest.Sample(1, []string{"folder", "versitygw"}) {
		t.Run(kind, func(t *testing.T) {
			store := "file://" + filepath.ToSlash(t.TempDir())
			if kind == "versitygw" {
				store = buckettest.StartVersity(t).Address("mirror")
			}
			killStore(t, store)
		})
	}
}

func killStore(t *testing.T, store string) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 1))
	m := newMirrored(t, simreg.Demo())
	up := filepath.Join(m.dir, "up.git")
	b, err := address.Open(t.Context(), store, address.Options{ReadOnly: true})
	must(t, err)
	sync := func(folder string) (*exec.Cmd, *bytes.Buffer) {
		cmd := exec.Command("clonecratesio", "sync", "-mirror", filepath.Join(m.dir, folder), "-store", store, "-lease", "3s",
			"-index-url", up, "-crates-base-url", m.server.BaseURL, "-listen", "")
		cmd.Env = append(os.Environ(), smallBundles)
		out := new(bytes.Buffer)
		cmd.Stdout, cmd.Stderr = out, out
		return cmd, out
	}
	for n := range max(3, *kills/3) {
		m.reg.Add(simreg.Version{Name: "followed", Version: fmt.Sprintf("1.%d.0", n)})
		_, err := m.reg.CommitIndex(t.Context(), up, "Update")
		must(t, err)
		cmd, out := sync([]string{"one", "two"}[n%5/4]) // the other one meets the lease of one that died
		must(t, cmd.Start())
		time.Sleep(time.Duration(rnd.Int64N(int64(600 * time.Millisecond))))
		cmd.Process.Kill()
		cmd.Wait()
		if bad := badObjects(t, b); len(bad) > 0 {
			t.Fatalf("kill %d: %q\n%s", n, bad, out)
		}
	}
	time.Sleep(3 * time.Second) // the last lease may be that of the other folder
	cmd, out := sync("one")
	if err := cmd.Run(); err != nil {
		t.Fatalf("after the kills: %v\n%s", err, out)
	}
	if want := fmt.Sprintf("%d of %[1]d versions are held", len(m.reg.IDs())); !strings.Contains(out.String(), want) {
		t.Errorf("not %q:\n%s", want, out)
	}
	if bad := badObjects(t, b); len(bad) > 0 {
		t.Errorf("%q", bad)
	}
	verify := exec.Command("clonecratesio", "verify", "-store", store, "-mirror", filepath.Join(m.dir, "none"))
	if said, err := verify.CombinedOutput(); err != nil {
		t.Errorf("verify: %v\n%s", err, said)
	}
	if strings.Contains(out.String(), buckettest.SecretKey) {
		t.Error("the credentials are in what is said")
	}
}

// badObjects returns the objects that differ from what the root says about them.
func badObjects(t *testing.T, b bucket.Bucket) (bad []string) {
	t.Helper()
	r, _, err := root.Read(t.Context(), b, "")
	if err != nil { // there is none yet
		return nil
	}
	_, err = audit.Run(t.Context(), audit.Config{Bucket: b, Root: r, Found: func(p audit.Problem) error {
		bad = append(bad, p.Err.Error())
		return nil
	}})
	must(t, err)
	return bad
}
