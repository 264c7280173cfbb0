package prune

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"syscall"
	"testing"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
)

// E17: the power is cut, and the process killed, at every operation of a run that
// writes bundles again. What is wanted can be read where the catalog says, at any
// instant; the next run completes.
func TestE17PowerCutWhileRewriting(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 1))
	wrecks := newWorld(t).wreckEverywhere(rnd)
	first, step := durabletest.Every(23, rnd)
	for i, wr := range wrecks {
		if wr.check(wr.at); i >= first && (i-first)%step == 0 {
			wr.recover()
		}
		if t.Failed() {
			t.Fatal("after a ", wr.at)
		}
	}
	t.Logf("%d wrecks", len(wrecks))
}

// E17: and the same while the next run completes.
func TestE17PowerCutWhileCompleting(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 1))
	wrecks := newWorld(t).wreckEverywhere(rnd)
	wr := wrecks[rnd.IntN(len(wrecks))]
	first, step := durabletest.Every(31, rnd)
	for i, again := range wr.on(wr.disk.Kill(), wr.copyCatalog()).wreckEverywhere(rnd) {
		if again.check(again.at); i >= first && (i-first)%step == 0 {
			again.recover()
		}
		if t.Failed() {
			t.Fatalf("after a %s, then a %s", wr.at, again.at)
		}
	}
}

// E17, C12: an operation fails, once or it and all that follow, carried out or
// not.
func TestE17AnyOperationFails(t *testing.T) {
	for _, mode := range []struct{ sticky, persisted bool }{{false, false}, {false, true}, {true, false}, {true, true}} {
		t.Run(fmt.Sprintf("sticky=%t, persisted=%t", mode.sticky, mode.persisted), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			first, step := durabletest.Every(29, nil)
			for n := first + 1; ; n += step {
				again := w.on(w.disk.Kill(), w.copyCatalog())
				cause := []error{syscall.EIO, durable.ErrNoSpace}[n%2]
				bad := durabletest.FailAt(again.disk, n, cause, mode.sticky, mode.persisted)
				_, _, err := again.run(bad)
				if bad.Ops() < n {
					break
				}
				at := fmt.Sprintf("%v at operation %d of %d (%v)", cause, n, bad.Ops(), err)
				again.check(at)
				wr := wreck{again, at}
				if wr.recover(); t.Failed() {
					t.Fatal(at)
				}
			}
		})
	}
}

// wreck is a mirror as a power cut, a kill or a broken disk left it.
type wreck struct {
	*world
	at string
}

// wreckEverywhere prunes, and takes wrecks at every operation.
func (w *world) wreckEverywhere(rnd *rand.Rand) (wrecks []wreck) {
	w.t.Helper()
	var mu sync.Mutex
	hooked := durabletest.Hook(w.disk, func(op durabletest.Op) durabletest.Fault {
		mu.Lock()
		defer mu.Unlock()
		if op.Kind == durabletest.OpRead || op.Kind == durabletest.OpStat || op.Kind == durabletest.OpOpen {
			return durabletest.Fault{} // changes nothing
		}
		catalog := w.copyCatalog()
		wrecks = append(wrecks, wreck{w.on(w.disk.Kill(), catalog), "kill at " + op.String()})
		for range 2 {
			wrecks = append(wrecks, wreck{w.on(w.disk.Crash(rnd), catalog), "power cut at " + op.String()})
		}
		return durabletest.Fault{}
	})
	if _, _, err := w.run(hooked); err != nil {
		w.t.Fatal(err)
	}
	w.checkDone("without any fault")
	return wrecks
}

// recover wants the next run to complete, and the one after that to find nothing.
// Wrecks of one instant share a catalog.
func (wr *wreck) recover() {
	wr.t.Helper()
	again := wr.on(wr.disk, wr.copyCatalog())
	if _, _, err := again.run(again.disk); err != nil {
		wr.t.Fatalf("the run after a %s: %v", wr.at, err)
	}
	again.checkDone("completed after a " + wr.at)
	p, told, err := again.run(again.disk)
	if err != nil || len(p.Rewritten) > 0 || len(told) > 0 {
		wr.t.Errorf("%s: the run after that: %v, %+v, %q", wr.at, err, p, told)
	}
}
