package attest

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/tilelog"
)

func newKey() ed25519.PrivateKey {
	seed := make([]byte, ed25519.SeedSize)
	seed[0] = 1
	return ed25519.NewKeyFromSeed(seed)
}

// TestKillAtEveryStep cuts the power, or kills the process, at every operation of a
// statement that appends. Whatever the checkpoint covers is always present; the next
// statement has each version once, in whatever state the catalog is.
func TestKillAtEveryStep(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 1))
	w := newWorld(t)
	keys := make([]crate.Key, 300)
	for n := range keys {
		keys[n] = keyOf(fmt.Sprintf("c%03d", n), "1.0.0", "")
	}
	w.lists(keys[:250]...)
	w.holds(keys[:250]...)
	w.attest()
	w.lists(keys...)
	w.holds(keys...)
	first, step := durabletest.Every(7, rnd)
	n, checked := 0, 0
	_, err := Run(t.Context(), w.config(durabletest.Hook(w.disk, func(op durabletest.Op) durabletest.Fault {
		for i, disk := range []*durabletest.Mem{w.disk.Kill(), w.disk.Crash(rnd)} {
			if n++; n%step != first {
				continue
			}
			checked++
			at := op.String() + []string{" (kill)", " (power cut)"}[i]
			wr := &world{t: t, ix: w.ix, disk: disk, key: w.key, now: w.now, path: filepath.Join(t.TempDir(), "catalog.db")}
			copyFile(t, w.path, wr.path)
			copyFile(t, w.path+"-wal", wr.path+"-wal")
			wr.open()
			wr.wantEach(at, 300)
		}
		return durabletest.Fault{}
	})))
	if err != nil || checked < 5 {
		t.Fatalf("%d of %d checked, %v", checked, n, err)
	}
	w.wantEach("at last", 300)
}

// wantEach makes the next statement, and wants every version in it once.
func (w *world) wantEach(at string, want int) {
	w.t.Helper()
	before, err := tilelog.Open(w.disk)
	if err != nil || before.N != 250 && before.N != int64(want) {
		w.t.Fatalf("%s: %v, %v", at, before, err)
	}
	r, err := Run(w.t.Context(), w.config(w.disk))
	if err != nil || r.N != int64(want) || r.Held != int64(want) {
		w.t.Fatalf("%s: %+v, %v", at, r, err)
	}
	seen := map[crate.Key]bool{}
	for key, err := range open(w.t, w.disk).Leaves(w.t.Context(), 0, r.N) {
		if err != nil || seen[key] {
			w.t.Fatalf("%s: %v again, %v", at, key, err)
		}
		seen[key] = true
	}
	if p, err := ProveSince(w.disk, before.Checkpoint); err != nil || p == nil {
		w.t.Errorf("%s: %v", at, err)
	}
	for _, name := range []string{leavesName, "pending"} {
		if _, err := w.disk.Stat(name); err == nil {
			w.t.Errorf("%s: %s is left", at, name)
		}
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	data, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, data, 0o644)
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
}
