package plan

import (
	"context"
	"fmt"
	"io/fs"
	"iter"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

// DryRun plans and does nothing else: it writes no file and opens no connection. A nil
// field of held is empty, and a nil sink receives nothing.
func DryRun(ctx context.Context, cfg Config, held Held, to Sink) (Totals, error) {
	if held.Catalog == nil {
		held.Catalog = emptyCatalog{}
	}
	if held.Store == nil {
		held.Store = emptyStore{}
	}
	if to == nil {
		to = Forgetful{}
	}
	totals, err := Make(ctx, cfg, held, to)
	if err == nil {
		var old []catalog.Taken
		old, err = OldBundles(ctx, cfg.OldBundles, held.Catalog)
		totals.OldBundles = int64(len(old))
		for _, b := range old {
			totals.OldBytes += b.Size
		}
	}
	if err != nil {
		return totals, fmt.Errorf("planning: %w", err)
	}
	return totals, nil
}

type emptyCatalog struct{}

func (emptyCatalog) Versions(context.Context, string) ([]catalog.Version, error) { return nil, nil }

func (emptyCatalog) Taken(context.Context) ([]catalog.Taken, error) { return nil, nil }

func (emptyCatalog) Revision(context.Context) (catalog.Revision, error) {
	return catalog.Revision{}, nil
}

func (emptyCatalog) Holdings(context.Context, bool) iter.Seq2[catalog.Holding, error] {
	return func(func(catalog.Holding, error) bool) {}
}

func (emptyCatalog) Reaches(context.Context) iter.Seq2[store.Placement, error] {
	return func(func(store.Placement, error) bool) {}
}

func (emptyCatalog) WasRemoved(context.Context, crate.Key) (time.Time, error) {
	return time.Time{}, nil
}

func (emptyCatalog) Accepted(context.Context, crate.Key) (bool, error) { return false, nil }

type emptyStore struct{}

func (emptyStore) NewListing() (store.Listing, error) { return emptyListing{}, nil }

type emptyListing struct{}

func (emptyListing) Stat(crate.ID) (int64, error) { return 0, fs.ErrNotExist }

func (emptyListing) Holds(crate.ID, store.Placement, int64) bool { return false }

// Forgetful is the sink of a dry run: it ignores what it receives.
type Forgetful struct{}

// Held implements Sink.
func (Forgetful) Held(context.Context, *Item, int64) error { return nil }

// Bad implements Sink.
func (Forgetful) Bad(context.Context, *BadEntry) error { return nil }

// Group implements Sink.
func (Forgetful) Group(context.Context, *catalog.Crate, *Changes, []Item) error { return nil }

// Vanished implements Sink.
func (Forgetful) Vanished(context.Context, []string) error { return nil }
