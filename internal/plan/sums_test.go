package plan

import (
	"context"
	"iter"
	"sync/atomic"
	"testing"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

// summed is a catalog of one crate in one bundle, which it sums up if it may.
type summed struct {
	emptyCatalog
	asked bool // for a sum
}

func (c *summed) Reaches(context.Context) iter.Seq2[store.Placement, error] {
	return func(yield func(store.Placement, error) bool) { yield(bundled, nil) }
}

func (c *summed) Holdings(_ context.Context, sums bool) iter.Seq2[catalog.Holding, error] {
	c.asked = sums
	h := catalog.Holding{Crate: catalog.Crate{Path: "3/f/foo", Blob: "b", Yanked: true}}
	if sums {
		h.Sum = &catalog.Sum{Versions: 3, Bytes: 30, Yanked: 2, YankedBytes: 20}
	} else {
		h.Versions = []catalog.Version{row(sumNow, bundled).Version}
	}
	return func(yield func(catalog.Holding, error) bool) { yield(h, nil) }
}

// oneFile is an index of one file.
type oneFile struct{}

func (oneFile) Revision() (catalog.Revision, Scope) { return catalog.Revision{}, Whole }

func (oneFile) Groups(_ context.Context, want Want, yield func(*Group) error) error {
	if read, _ := want("3/f/foo", "b"); read {
		return yield(&Group{Path: "3/f/foo", Blob: "b", Whole: true})
	}
	return nil
}

type shelves struct{ shelf }

func (s shelves) NewListing() (store.Listing, error) { return s.shelf, nil }

// TestSums: crates are summed up only if the bundle is as long as it must be, and versions
// need neither be told of nor stand elsewhere as well.
func TestSums(t *testing.T) {
	for _, tt := range []struct {
		name    string
		cfg     Config
		counted bool
		bundle  bool // is there
		want    Totals
		sums    bool
	}{
		{"all", Config{IncludeYanked: true}, true, true, Totals{Crates: 1, Unchanged: 1, Versions: 5, Held: 5, HeldBytes: 50}, true},
		{"without yanked ones", Config{}, true, true, Totals{Crates: 1, Unchanged: 1, Versions: 3, Held: 3, HeldBytes: 30, Yanked: 2}, true},
		{"each with a line", Config{IncludeYanked: true}, false, true, Totals{Crates: 1, Unchanged: 1, Versions: 1, Held: 1, HeldBytes: 1}, false},
		{"loose, too", Config{IncludeYanked: true, Bundle: true, KeepLoose: true}, true, true, Totals{Crates: 1}, false},
		{"the bundle is short", Config{IncludeYanked: true}, true, false, Totals{Crates: 1, Short: true}, false},
		{"hashed again", Config{IncludeYanked: true, VerifyExisting: true}, true, true, Totals{Crates: 1}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			existed, c := new(atomic.Int64), &summed{}
			if tt.cfg.Source = (oneFile{}); tt.counted {
				tt.cfg.Existed = existed
			}
			got, err := DryRun(t.Context(), tt.cfg, Held{Catalog: c, Store: shelves{shelf{bundle: tt.bundle}}}, nil)
			if err != nil || got.Crates != tt.want.Crates || got.Unchanged != tt.want.Unchanged || got.Versions != tt.want.Versions ||
				got.Held != tt.want.Held || got.HeldBytes != tt.want.HeldBytes || got.Yanked != tt.want.Yanked || got.Short != tt.want.Short || c.asked != tt.sums {
				t.Errorf("%+v, %v, asked for sums: %t; want %+v, %t", got, err, c.asked, tt.want, tt.sums)
			}
			if tt.counted && existed.Load() != tt.want.Held {
				t.Errorf("%d counted, want %d", existed.Load(), tt.want.Held)
			}
		})
	}
}
