package mirror

import (
	"context"
	"errors"
	"testing"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/plan"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/simreg"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

// A8: wrong bytes from upstream need no attention once the index names something else,
// whether that is held or nothing is to be held any more; but not if a run broke off, or
// had only a list.
func TestA8EvidenceOfWhatIsNotAskedForAnyMore(t *testing.T) {
	spec := simreg.MustParse("foo 1.0.0")[0]
	for _, tt := range []struct {
		name    string
		changes func(*world)
		run     func(*world, *Config)
		want    int // unsettled
	}{
		{"still asked for", func(*world) {}, nil, 1},
		{"removed", func(w *world) { w.reg.Remove(foo1) }, nil, 0},
		{"published again with other bytes", func(w *world) {
			w.reg.Heal()
			w.reg.Remove(foo1)
			w.reg.Add(spec)
			w.reg.ReplaceBytes(foo1)
		}, nil, 0},
		{"removed, and the run breaks off", func(w *world) { w.reg.Remove(foo1) }, func(_ *world, cfg *Config) {
			cfg.Source = brokenOff{cfg.Source.(plan.Index)}
		}, 1},
		{"removed, says a list", func(w *world) { w.reg.Remove(foo1) }, func(w *world, cfg *Config) {
			id := crate.ID{Name: "bar", Version: "1.0.0"}
			cfg.Source = plan.FromList([]plan.Item{{ID: id, Checksum: mustSum(w, id)}}, nil)
		}, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, parse("bar 1.0.0\nfoo 1.0.0\nfoo 2.0.0"))
			w.reg.Inject(foo1, simreg.Fault{Kind: simreg.WrongCrate, Times: -1})
			if s, err := w.run(context.Background(), w.disk, nil); err != nil || s.Quarantined == 0 {
				t.Fatalf("%v: %+v", err, s.Counts)
			}
			tt.changes(w)
			w.writeIndex()
			s, err := w.run(context.Background(), w.disk, func(cfg *Config) {
				if tt.run != nil {
					tt.run(w, cfg)
				}
			})
			if broken := errors.Is(err, errBrokenOff); err != nil && !broken {
				t.Fatal(err)
			}
			unsettled, _, err := store.CountEvidence(w.quarantine())
			if err != nil || unsettled != tt.want || s.Quarantined != tt.want || tt.want == 0 && !s.Sound() {
				t.Errorf("%d unsettled, want %d, %v: %+v", unsettled, tt.want, err, s.Counts)
			}
		})
	}
}

var errBrokenOff = errors.New("broken off")

// brokenOff is a Source that names nothing and then ends with an error.
type brokenOff struct{ plan.Index }

func (brokenOff) Groups(context.Context, plan.Want, func(*plan.Group) error) error {
	return errBrokenOff
}
