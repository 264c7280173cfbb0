package repack

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"syscall"
	"testing"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
)

// wreck is a mirror as a power cut, a kill or a broken disk left it.
type wreck struct {
	*world
	at string
}

// E18: the power is cut, and the process killed, at every operation of a run that
// packs. Each version can be read where the catalog says, at any instant; the next
// run completes.
func TestE18PowerCutWhilePacking(t *testing.T) {
	for name, inBundles := range map[string]bool{"loose": false, "bundled": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rnd := seeded(t)
			first, step := durabletest.Every(61, rnd)
			for i, wr := range newWorld(t, inBundles).wreckEverywhere(rnd) {
				if wr.check(wr.at); i >= first && (i-first)%step == 0 {
					wr.recover()
				}
				if t.Failed() {
					t.Fatal("after a ", wr.at)
				}
			}
		})
	}
}

// E18: and the same while the next run completes.
func TestE18PowerCutWhileCompleting(t *testing.T) {
	t.Parallel()
	rnd := seeded(t)
	wrecks := newWorld(t, true).wreckEverywhere(rnd)
	wr := wrecks[rnd.IntN(len(wrecks))]
	first, step := durabletest.Every(97, rnd)
	for i, again := range wr.on(wr.disk.Kill(), wr.copyCatalog()).wreckEverywhere(rnd) {
		if again.check(again.at); i >= first && (i-first)%step == 0 {
			again.recover()
		}
		if t.Failed() {
			t.Fatalf("after a %s, then a %s", wr.at, again.at)
		}
	}
}

// E18, C12: an operation fails, once or it and all that follow, carried out or not.
func TestE18AnyOperationFails(t *testing.T) {
	for _, mode := range []struct{ sticky, persisted bool }{{false, false}, {false, true}, {true, false}, {true, true}} {
		t.Run(fmt.Sprintf("sticky=%t, persisted=%t", mode.sticky, mode.persisted), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, true)
			first, step := durabletest.Every(67, nil)
			for n := first + 1; ; n += step {
				again := w.on(w.disk.Kill(), w.copyCatalog())
				cause := []error{syscall.EIO, durable.ErrNoSpace}[n%2]
				bad := durabletest.FailAt(again.disk, n, cause, mode.sticky, mode.persisted)
				_, err := again.run(bad)
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

func seeded(t *testing.T) *rand.Rand {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	return rand.New(rand.NewPCG(seed, 1))
}

// wreckEverywhere packs, and takes wrecks at every operation.
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
	if _, err := w.run(hooked); err != nil {
		w.t.Fatal(err)
	}
	w.wantOnlyDeep("without any fault")
	return wrecks
}

// recover wants the next run to complete, and the one after that to find nothing.
// Wrecks of one instant share a catalog.
func (wr *wreck) recover() {
	wr.t.Helper()
	again := wr.on(wr.disk, wr.copyCatalog())
	if _, err := again.run(again.disk); err != nil {
		wr.t.Fatalf("the run after a %s: %v", wr.at, err)
	}
	again.wantOnlyDeep("completed after a " + wr.at)
	again.wantSegmentsWhole("completed after a " + wr.at)
	done, err := again.run(again.disk)
	if err != nil || done.Versions > 0 || done.LooseRemoved > 0 || done.FailedVersions > 0 {
		wr.t.Errorf("%s: the run after that: %v, %+v", wr.at, err, done)
	}
}
