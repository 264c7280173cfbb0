package mirror

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/plan"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/simreg"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store/loose"
)

func openStore(t *testing.T, fsys durable.FS) *loose.Store {
	t.Helper()
	return loose.OpenReadOnly(fsys)
}

func (w *world) source() plan.Source {
	w.t.Helper()
	ix, err := index.Open(context.Background(), w.index, index.Options{})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { ix.Close() })
	return plan.FromIndex(ix, nil)
}

// C3, C1: the power is cut, and the process killed, at every operation of whole
// runs that store loose files.
func TestC3PowerCutAtAnyOperation(t *testing.T) { powerCuts(t, looseOrdeals()) }

// E9, C1, C3: the same for runs that make bundles, or read them.
func TestE9PowerCutAtAnyOperation(t *testing.T) { powerCuts(t, bundleOrdeals()) }

func powerCuts(t *testing.T, ordeals []ordeal) {
	for _, o := range ordeals {
		t.Run(o.name, func(t *testing.T) {
			t.Parallel()
			seed := rand.Uint64()
			t.Logf("seed %d", seed)
			rnd := rand.New(rand.NewPCG(seed, 1))
			w := o.begin(t, seed)
			wrecks := o.wreckEverywhere(w, rnd)
			for _, wr := range wrecks {
				w.look(wr)
			}
			first, step := durabletest.Every(61, rnd)
			for i := first; i < len(wrecks); i += step {
				before := w.reg.TotalRequests()
				fetched := o.recover(w, wrecks[i])
				if n := w.reg.TotalRequests() - before; int64(n) != fetched {
					t.Errorf("O4 %s: %d requests for %d crates", wrecks[i].at, n, fetched)
				}
			}
			t.Logf("%d wrecks", len(wrecks))
		})
	}
}

// C5: the power is cut, and the process killed, at every operation of the run that
// recovers from that.
func TestC5PowerCutWhileRecovering(t *testing.T) {
	for _, o := range durabletest.Sample(4, append(looseOrdeals(), bundleOrdeals()...)) {
		t.Run(o.where()+", "+o.name, func(t *testing.T) {
			t.Parallel()
			seed := rand.Uint64()
			t.Logf("seed %d", seed)
			rnd := rand.New(rand.NewPCG(seed, 1))
			w := o.begin(t, seed)
			wrecks := o.wreckEverywhere(w, rnd)
			again := *w
			wr := wrecks[rnd.IntN(len(wrecks))]
			again.disk, again.catalog = wr.disk, wr.catalog
			first, step := durabletest.Every(61, rnd)
			for i, wr := range o.wreckEverywhere(&again, rnd) {
				again.look(wr)
				if i >= first && (i-first)%step == 0 {
					o.recover(&again, wr)
				}
			}
			if t.Failed() {
				t.Fatal("after a ", wr.at)
			}
		})
	}
}

// C12, C16, E10: an operation of a run fails, once or it and all that follow,
// carried out or not.
func TestC12AnyOperationFails(t *testing.T) {
	modes := []struct{ sticky, persisted bool }{{false, false}, {false, true}, {true, false}, {true, true}}
	for _, o := range append(looseOrdeals(), bundleOrdeals()...) {
		for _, mode := range durabletest.Sample(1, modes) {
			t.Run(fmt.Sprintf("%s, %s, sticky=%t, persisted=%t", o.where(), o.name, mode.sticky, mode.persisted), func(t *testing.T) {
				t.Parallel()
				seed := rand.Uint64()
				t.Logf("seed %d", seed)
				w := o.begin(t, seed)
				first, step := durabletest.Every(37, rand.New(rand.NewPCG(seed, 1)))
				for n := first + 1; o.fail(w, n, mode.sticky, mode.persisted); n += step {
				}
			})
		}
	}
}

// fail makes the n-th operation fail, checks the result, and recovers. It reports whether
// there were that many operations.
func (o *ordeal) fail(w *world, n int, sticky, persisted bool) bool {
	w.t.Helper()
	cause := []error{syscall.EIO, durable.ErrNoSpace}[n%2]
	again := *w
	again.disk, again.catalog = w.disk.Kill(), w.catalog.clone()
	bad := durabletest.FailAt(again.disk, n, cause, sticky, persisted)
	s, err := o.run(&again, bad)
	at := fmt.Sprintf("%v at operation %d of %d (%v)", cause, n, bad.Ops(), err)
	if err == nil && s.Complete(false) { // which is fine, if it is true
		done := again
		done.spoiled = nil
		done.checkComplete(at)
	}
	if bad.Ops() < n {
		return false
	}
	wr := wreck{at, again.disk, again.catalog}
	w.look(wr)
	o.recover(w, wr)
	return true
}

// TestChaosConverges makes half of all requests fail, in every way that ends quickly, again
// and again, until the mirror is complete. Faults that take time are tested with simulated
// time, in package upstream.
func TestChaosConverges(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	w := newWorld(t, simreg.Demo())
	kinds := append(simreg.Brief(), simreg.GzipEncoding, simreg.GoAway)
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

// C5: what a run finds removed by one that was killed may come back with the power: the
// removal was not durable. After a run that relied on it, none does.
func TestC5RemovalsOfAKilledRunAreDurable(t *testing.T) {
	for _, noAll := range []bool{false, true} {
		removalsOfAKilledRun(t, ordeal{name: "move", bundle: in1500(), prepare: storeLoose, noAll: noAll})
	}
}

func removalsOfAKilledRun(t *testing.T, o ordeal) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 1))
	w := o.begin(t, seed)
	for _, wr := range o.wreckEverywhere(w, rnd) {
		if !strings.HasPrefix(wr.at, "kill") || !strings.Contains(wr.at, ": remove ") && !strings.Contains(wr.at, ": sync") {
			continue
		}
		again := *w
		again.disk, again.catalog = wr.disk, wr.catalog
		if s, err := o.run(&again, again.disk); err != nil || !s.Complete(false) {
			t.Fatalf("%s: %v, %+v", wr.at, err, s)
		}
		o.recover(&again, wreck{"power cut after " + wr.at, again.disk.Crash(rnd), again.catalog})
	}
}
