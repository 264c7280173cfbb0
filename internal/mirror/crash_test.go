package mirror

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"syscall"
	"testing"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/simreg"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store/loose"
)

func openStore(t *testing.T, fsys durable.FS) *loose.Store {
	t.Helper()
	return loose.OpenReadOnly(fsys)
}

func (w *world) source() Source {
	w.t.Helper()
	ix, err := index.Open(context.Background(), w.index, index.Options{})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { ix.Close() })
	return FromIndex(ix, nil)
}

// wreck is a disk and a catalog as a power cut or a kill left them.
type wreck struct {
	at      string
	disk    *durabletest.Mem
	catalog *memCatalog
}

// TestC3PowerCutAtAnyOperation cuts the power, and kills the process, at every
// operation of a whole run, and looks at what is left: oracles O1 to O5.
func TestC3PowerCutAtAnyOperation(t *testing.T) {
	for _, noSyncAll := range []bool{false, true} {
		t.Run(fmt.Sprintf("noSyncAll=%t", noSyncAll), func(t *testing.T) {
			seed := rand.Uint64()
			t.Logf("seed %d", seed)
			w := newWorld(t, parse(small+`
				d-one 1.0.0
				d-one 1.0.1
				d-two 0.1.0
				e-three 0.1.0
			`))
			w.disk.NoSyncAll = noSyncAll
			wrecks := w.wreckEverywhere(rand.New(rand.NewPCG(seed, 1)))
			t.Logf("%d wrecks", len(wrecks))
			for i, wr := range wrecks {
				if err := w.checkWhole(wr.disk, wr.catalog.held()); err != nil {
					t.Errorf("O1, O3 %s: %v", wr.at, err)
				}
				if recs, err := readRecords(wr.disk); err == nil {
					for key, rec := range recs {
						id := crate.ID{Name: rec.Crate, Version: rec.Version}
						if data, err := content(wr.disk, id); rec.OK && (err != nil || int64(len(data)) != rec.Size) {
							t.Errorf("O2 %s: the manifest says that %s is held: %v", wr.at, key, err)
						}
					}
				}
				if i%durabletest.Stride(7) == 0 {
					w.recover(wr)
				}
			}
		})
	}
}

// wreckEverywhere runs a mirror and takes wrecks at every operation.
func (w *world) wreckEverywhere(rnd *rand.Rand) []wreck {
	w.t.Helper()
	var mu sync.Mutex
	var wrecks []wreck
	hooked := durabletest.Hook(w.disk, func(op durabletest.Op) durabletest.Fault {
		mu.Lock()
		defer mu.Unlock()
		// The catalog first: its commits are durable, so an older one with a
		// newer disk is what a crash in between leaves.
		wrecks = append(wrecks, wreck{"power cut at " + op.String(), nil, w.catalog.clone()})
		wrecks[len(wrecks)-1].disk = w.disk.Crash(rnd)
		wrecks = append(wrecks, wreck{"kill at " + op.String(), nil, w.catalog.clone()})
		wrecks[len(wrecks)-1].disk = w.disk.Kill()
		return durabletest.Fault{}
	})
	if s, err := w.run(context.Background(), hooked, nil); err != nil || !s.Complete(false) {
		w.t.Fatalf("%v, %+v", err, s)
	}
	return wrecks
}

// recover is oracle O4: the next run completes, the one after it has nothing to
// do.
func (w *world) recover(wr wreck) {
	w.t.Helper()
	again := *w
	again.disk, again.catalog = wr.disk, wr.catalog
	for run := range 2 {
		before := w.reg.TotalRequests()
		s, err := again.run(context.Background(), again.disk, nil)
		if err != nil || !s.Complete(false) || !s.Sound() {
			w.t.Errorf("O4 %s: run %d: %v, %+v", wr.at, run+1, err, s)
			return
		}
		if n := w.reg.TotalRequests() - before; run == 1 && n > 0 {
			w.t.Errorf("O4 %s: the third run made %d requests", wr.at, n)
		}
	}
	if err := w.checkWhole(again.disk, again.catalog.held()); err != nil {
		w.t.Errorf("O1 after recovery %s: %v", wr.at, err)
	}
	if left := leftovers(w.t, again.disk); len(left) > 0 {
		w.t.Errorf("O5 %s: %v", wr.at, left)
	}
}

// TestC12AnyOperationFails lets every n-th operation of a run fail, once and
// for ever, carried out or not.
func TestC12AnyOperationFails(t *testing.T) {
	for _, mode := range []struct{ sticky, persisted bool }{{false, false}, {false, true}, {true, false}, {true, true}} {
		t.Run(fmt.Sprintf("sticky=%t,persisted=%t", mode.sticky, mode.persisted), func(t *testing.T) {
			t.Parallel()
			for n := 1; ; n += 3 {
				w := newWorld(t, parse(small))
				bad := durabletest.FailAt(w.disk, n, syscall.EIO, mode.sticky, mode.persisted)
				s, err := w.run(context.Background(), bad, nil)
				if bad.Ops() < n {
					break
				}
				if err == nil && s.Complete(false) {
					// Fine as long as it is true: the operation did not matter.
					if err := w.checkWhole(w.disk, w.catalog.held()); err != nil || len(w.catalog.held()) != 5 {
						t.Errorf("operation %d: complete, but %v, %d held", n, err, len(w.catalog.held()))
					}
				}
				if err := w.checkWhole(w.disk, w.catalog.held()); err != nil {
					t.Errorf("operation %d: %v (run: %v)", n, err, err)
				}
				again, err := w.run(context.Background(), w.disk, nil)
				if err != nil || !again.Complete(false) {
					t.Errorf("operation %d: the next run: %v, %+v", n, err, again)
				}
				w.server.Close()
			}
		})
	}
}

// TestChaosConverges lets half of all requests go wrong, in every way that ends
// soon, again and again, until the mirror is complete.
func TestChaosConverges(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	w := newWorld(t, simreg.Demo())
	kinds := append(simreg.Brief(), simreg.GzipEncoding, simreg.GoAway, simreg.StallBody)
	w.reg.Chaos(seed, 0.5, kinds...)
	var s *Summary
	var err error
	for range 4 {
		s, err = w.run(context.Background(), w.disk, nil)
		if werr := w.checkWhole(w.disk, w.catalog.held()); werr != nil {
			t.Fatal(werr)
		}
		if err == nil && s.Complete(false) {
			return
		}
	}
	t.Errorf("not complete after four runs: %v, %+v, %v", err, s.Counts, s.Failures)
}
