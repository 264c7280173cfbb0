package mirror

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

// Held is what a dry run compares with; a nil field holds nothing.
type Held struct {
	Catalog Reader
	Store   store.Lister
}

// DryRun plans and does nothing: it writes no file and opens no connection.
func DryRun(ctx context.Context, cfg Config, held Held) (Plan, error) {
	cfg = cfg.withDefaults()
	p := planner{cfg: &cfg, sink: nowhere{}, catalog: emptyCatalog{}, listing: emptyListing{}}
	if held.Catalog != nil {
		p.catalog = held.Catalog
	}
	if held.Store != nil {
		var err error
		if p.listing, err = held.Store.NewListing(); err != nil {
			return Plan{}, fmt.Errorf("planning: %w", err)
		}
	}
	plan, err := p.run(ctx)
	if err == nil {
		var old []catalog.Taken
		old, err = oldBundles(ctx, cfg.OldBundles, p.catalog)
		plan.OldBundles = int64(len(old))
	}
	if err != nil {
		return plan, fmt.Errorf("planning: %w", err)
	}
	return plan, nil
}

type emptyCatalog struct{}

func (emptyCatalog) Versions(context.Context, string) ([]catalog.Version, error) { return nil, nil }

func (emptyCatalog) Taken(context.Context) ([]catalog.Taken, error) { return nil, nil }

func (emptyCatalog) Revision(context.Context) (catalog.Revision, error) {
	return catalog.Revision{}, nil
}

func (emptyCatalog) Holdings(context.Context) iter.Seq2[catalog.Holding, error] {
	return func(func(catalog.Holding, error) bool) {}
}

func (emptyCatalog) WasRemoved(context.Context, crate.Key) (time.Time, error) {
	return time.Time{}, nil
}

func (emptyCatalog) Accepted(context.Context, crate.Key) (bool, error) { return false, nil }

type emptyListing struct{}

func (emptyListing) Stat(crate.ID) (int64, error) { return 0, fs.ErrNotExist }

func (emptyListing) Holds(crate.ID, store.Placement, int64) bool { return false }

// nowhere is the sink of a dry run: it forgets what it is given.
type nowhere struct{}

func (nowhere) held(context.Context, *Entry, *catalog.Version) error { return nil }

func (nowhere) bad(context.Context, *Group, *BadEntry) error { return nil }

func (nowhere) group(context.Context, *catalog.Crate, *changes, []item) error { return nil }

func (nowhere) vanished(context.Context, []string) error { return nil }
