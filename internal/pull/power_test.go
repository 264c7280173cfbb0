package pull

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/simreg"
)

// ordeal pulls while upstream publishes, and says after each crate that was given.
func (w *world) ordeal(m *Mirror, given func(crate.ID)) {
	for _, id := range []crate.ID{foo1, bar1, foo2} {
		if id == foo2 {
			w.reg.Add(simreg.MustParse("foo 1.1.0")...)
			_ = versions(m, "foo")
		}
		if w.get(m, id) == nil {
			given(id)
		}
	}
}

// P3: whenever power is lost, what was given by then is given again without upstream, and
// what has a name is right.
func TestPowerIsLostAnywhere(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	type crash struct {
		disk  *durabletest.Mem
		op    string
		given []crate.ID
	}
	w := newWorld(t, "foo 1.0.0\nbar 1.0.0")
	var mu sync.Mutex // guards what follows
	var crashes []crash
	var given []crate.ID
	mem := durabletest.NewMem()
	first, step := durabletest.Every(3, rnd)
	w.disk = durabletest.Hook(mem, func(op durabletest.Op) durabletest.Fault {
		mu.Lock()
		defer mu.Unlock()
		if op.N%step == first%step {
			crashes = append(crashes, crash{mem.Crash(rnd), op.String(), append([]crate.ID(nil), given...)})
		}
		return durabletest.Fault{}
	})
	m := w.open()
	w.ordeal(m, func(id crate.ID) {
		mu.Lock()
		defer mu.Unlock()
		given = append(given, id)
	})
	m.Close()
	if len(given) != 3 || len(crashes)*step < 60 {
		t.Fatalf("%d crates were given, %d crashes seen", len(given), len(crashes))
	}
	for _, c := range crashes {
		w.disk = c.disk
		m := w.offline()
		for _, id := range c.given {
			if err := w.get(m, id); err != nil {
				t.Errorf("power lost before %s: %v", c.op, err)
			}
			if shown, err := m.Crate(t.Context(), id.Name); err != nil || len(shown.Entries) == 0 {
				t.Errorf("power lost before %s: %s is not shown: %v", c.op, id, err)
			}
		}
		m.Close()
		m = w.open()
		w.must(errors.Join(w.get(m, foo1), w.get(m, foo2), w.get(m, bar1)))
		m.Close()
	}
}

// P3: whatever the disk does not do, what is given is right; and all comes when it works
// again.
func TestDiskFailsAnywhere(t *testing.T) {
	first, step := durabletest.Every(7, nil)
	for n, ops := first+1, 1<<30; n <= ops; n += step {
		for _, fault := range []error{durable.ErrNoSpace, errors.New("input/output error")} {
			t.Run(fmt.Sprintf("%d %v", n, fault), func(t *testing.T) {
				w := newWorld(t, "foo 1.0.0\nbar 1.0.0")
				mem := durabletest.NewMem()
				faulty := durabletest.FailAt(mem, n, fault, errors.Is(fault, durable.ErrNoSpace), false)
				w.disk = faulty
				cfg, closed := w.config()
				if m, err := Open(t.Context(), cfg); err == nil {
					w.ordeal(m, func(crate.ID) {})
					m.Close()
				}
				closed()
				ops = min(ops, max(faulty.Ops(), n))
				w.disk = mem
				m := w.open()
				w.must(errors.Join(w.get(m, foo1), w.get(m, bar1)))
			})
		}
	}
}
