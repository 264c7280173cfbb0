package plan

import (
	"context"
	"errors"
	"io/fs"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/home"
)

// Against does a DryRun against the mirror in d, or against an empty one if there is none.
// It takes no lock: if the mirror is written meanwhile, the plan is that of its final
// state.
func Against(ctx context.Context, d *home.Dirs, cfg Config, to Sink) (totals Totals, err error) {
	var held Held
	if bundles, err := d.OpenBundles(); err != nil {
		return totals, err
	} else if bundles != nil {
		defer bundles.Close()
		cfg.OldBundles = bundles
	}
	stores, err := home.OpenStores(d, home.Limits{})
	if errors.Is(err, fs.ErrNotExist) {
		return DryRun(ctx, cfg, held, to)
	}
	if err != nil {
		return totals, err
	}
	defer stores.Close()
	held.Store = stores
	err = d.ReadCatalog(ctx, func(c *catalog.Catalog) (err error) {
		held.Catalog = c
		totals, err = DryRun(ctx, cfg, held, to)
		return err
	})
	if errors.Is(err, home.ErrNoCatalog) {
		return DryRun(ctx, cfg, held, to)
	}
	return totals, err
}
