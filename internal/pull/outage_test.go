package pull

import (
	"testing"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/simreg"
)

// P9: a crate file that upstream cannot give whole is its own trouble: however often it is
// asked for, the others come.
func TestOneBadFile(t *testing.T) {
	for _, kind := range []simreg.Kind{simreg.Truncate, simreg.Endless, simreg.StallBody} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "foo 1.0.0\nbar 1.0.0")
			w.up.MaxSize = 1 << 20
			m := w.open()
			w.reg.Inject(foo1, simreg.Fault{Kind: kind, Times: -1})
			for range 5 {
				if w.get(m, foo1) == nil {
					t.Fatal("foo was given")
				}
			}
			if err := w.get(m, bar1); err != nil {
				t.Errorf("bar after foo: %v", err)
			}
			if away, _ := m.outage.state(); away {
				t.Error("upstream counts as away")
			}
		})
	}
}
