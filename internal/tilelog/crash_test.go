package tilelog

import (
	"errors"
	"math/rand/v2"
	"syscall"
	"testing"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
)

// The power is cut, and the process killed, at every operation of an append that makes
// full tiles of partial ones. At any instant the log is whole, as it was before or as it
// is after; the next append succeeds, and leaves nothing behind.
func TestPowerCutAtEveryOperation(t *testing.T) {
	for _, noSyncAll := range []bool{false, true} {
		seed := rand.Uint64()
		t.Logf("seed %d", seed)
		rnd := rand.New(rand.NewPCG(seed, 1))
		mem := durabletest.NewMem()
		mem.NoSyncAll = noSyncAll
		if err := errors.Join(appendTo(mem, 250, 1), appendTo(mem, 253, 2)); err != nil {
			t.Fatal(err)
		}
		cuts, published := 0, 0
		first, step := durabletest.Every(3, rnd)
		hooked := durabletest.Hook(mem, func(op durabletest.Op) durabletest.Fault {
			for i, wreck := range []*durabletest.Mem{mem.Kill(), mem.Crash(rnd), mem.Crash(rnd)} {
				if cuts++; cuts%step != first {
					continue
				}
				at := op.String() + []string{" (kill)", " (power cut)", " (power cut)"}[i]
				size := sizeOf(wreck)
				if size != 253 && size != 300 {
					t.Fatalf("%s: %d leaves", at, size)
				}
				if size == 300 {
					published++
				}
				goOn(t, wreck, size, at)
			}
			return durabletest.Fault{}
		})
		if err := errors.Join(appendTo(hooked, 300, 3), check(mem)); err != nil {
			t.Fatal(err)
		}
		if cuts < 100 || published < 5 {
			t.Errorf("%d cuts, %d of them after the checkpoint", cuts, published)
		}
	}
}

// goOn wants a wreck to be whole, and the next append to clean up.
func goOn(t *testing.T, wreck *durabletest.Mem, size int64, at string) {
	t.Helper()
	if err := checkLeaves(wreck); err != nil {
		t.Errorf("%s: %v", at, err)
	}
	// Another number of leaves than was on its way: nothing of that may stay.
	if err := errors.Join(appendTo(wreck, size+7, 4), check(wreck)); err != nil {
		t.Fatalf("%s: the append that follows: %v", at, err)
	}
	for _, name := range files(wreck, ".") {
		tile, err := ParsePath(name)
		if err == nil && tile.W > tileAt(tile.L, tile.N, size+7).W {
			t.Errorf("%s: %s is left in a log of %d leaves", at, name, size+7)
		}
		if err == nil && tile.W < width && tile.L == 0 && tile.N == 0 && size == 300 {
			t.Errorf("%s: %s is left beside the full tile", at, name)
		}
		if err != nil && name != CheckpointName && name[:len(archiveDir)] != archiveDir {
			t.Errorf("%s: %s is left", at, name)
		}
	}
}

// checkLeaves wants every leaf that the checkpoint covers.
func checkLeaves(fsys *durabletest.Mem) error {
	l, err := Open(fsys)
	if err != nil {
		return err
	}
	n := int64(0)
	for key, err := range l.Leaves(t0, 0, l.N) {
		if err != nil || key != keyOf(n) {
			return errors.Join(errors.New("leaves are lost"), err)
		}
		n++
	}
	_, err = proofOf(fsys, n-1)
	return err
}

// An operation fails, once or it and all that follow, carried out or not.
func TestAnyOperationFails(t *testing.T) {
	for _, mode := range []struct{ sticky, persisted bool }{{false, false}, {false, true}, {true, false}, {true, true}} {
		first, step := durabletest.Every(3, nil)
		for n := first + 1; ; n += step {
			mem := durabletest.NewMem()
			mem.NoSyncAll = n%2 == 0
			if err := appendTo(mem, 253, 1); err != nil {
				t.Fatal(err)
			}
			bad := durabletest.FailAt(mem, n, syscall.EIO, mode.sticky, mode.persisted)
			err := appendTo(bad, 300, 2)
			if bad.Ops() < n {
				break
			}
			size := sizeOf(mem)
			if err == nil && size != 300 || size != 253 && size != 300 {
				t.Errorf("%v at operation %d: %v, %d leaves", mode, n, err, size)
			}
			goOn(t, mem, size, "after a failure")
		}
	}
}
