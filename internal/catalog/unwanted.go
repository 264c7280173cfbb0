package catalog

import (
	"context"
	"fmt"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

// UnwantedPage returns, in the order of names, the next versions after the given
// one that have a loose file, were vouched for by an index, and are no longer
// listed in it or, if yanked is true, are yanked; at most limit.
func (c *Catalog) UnwantedPage(ctx context.Context, after crate.ID, yanked bool, limit int) ([]Version, error) {
	rows, err := c.db.QueryContext(ctx, `SELECT `+c.columns()+` FROM versions
		WHERE (name, version) > (?, ?) AND loose = 1 AND verified_at <> 0 AND (listed = 0 OR yanked = 1 AND ?)
		ORDER BY name, version LIMIT ?`, after.Name, after.Version, yanked, limit)
	if err == nil {
		var list []Version
		if list, err = scanVersions(rows); err == nil {
			return list, nil
		}
	}
	return nil, fmt.Errorf("reading from the catalog what is not wanted: %w", classify(err))
}
