package catalog

import (
	"context"
	"database/sql"
	"iter"
	"slices"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog/raw"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

// Sum is how much is held of the versions of a crate that the index lists.
type Sum struct {
	Versions, Bytes     int64 // of those that are not yanked
	Yanked, YankedBytes int64 // of the others
}

// sumColumns are a Sum in crates, behind whether any of the versions is elsewhere than in
// bundles and segments alone; noSum is what a catalog without them says.
const (
	sumColumns = "apart, versions, bytes, yanked_versions, yanked_bytes"
	noSum      = "1, 0, 0, 0, 0"
)

// recount makes the sum of crates c what the rows of versions say.
const recount = `UPDATE crates AS c SET (` + sumColumns + `) = (SELECT
	coalesce(max(listed AND (loose <> 0 OR bundle = '' AND segment = '')), 0),
	count(*) FILTER (WHERE listed AND NOT yanked), coalesce(sum(size) FILTER (WHERE listed AND NOT yanked), 0),
	count(*) FILTER (WHERE listed AND yanked), coalesce(sum(size) FILTER (WHERE listed AND yanked), 0)
	FROM versions v WHERE ` + ofCrate + `)`

// touch notes that rows of a crate are written, so that its sum is counted again.
func (w *writing) touch(name string) {
	w.touched = append(w.touched, crate.IndexPath(name))
}

// recount counts the sums of crates whose rows were written. It is the last that a
// transaction does.
func (w *writing) recount(ctx context.Context) {
	slices.Sort(w.touched)
	put(ctx, w, recount+" WHERE c.path = ?", slices.Compact(w.touched), func(path *string) []any { return []any{*path} })
}

// readSum returns nil for a crate whose versions must be looked at one by one.
func readSum(r *raw.Rows) *Sum {
	apart := r.Int()
	sum := Sum{r.Int(), r.Int(), r.Int(), r.Int()}
	if apart != 0 {
		return nil
	}
	return &sum
}

// Reaches yields the end of each bundle and segment, as far as versions were ever in it: a
// placement of all bytes up to there. Where they are, everything is that Holdings sums up.
// The sequence ends after an error.
func (c *Catalog) Reaches(ctx context.Context) iter.Seq2[store.Placement, error] {
	if c.format.Load() < tablesOf8 {
		return func(func(store.Placement, error) bool) {}
	}
	scan := func(rows *sql.Rows) (at store.Placement, err error) {
		err = rows.Scan(&at.Bundle, &at.FrameSize, &at.Deep.Segment, &at.Deep.PackSize)
		return at, err
	}
	return each(ctx, c, "how far bundles reach", scan, `SELECT name, reach, '', 0 FROM bundles WHERE reach > 0
		UNION ALL SELECT '', 0, name, reach FROM segments WHERE reach > 0`)
}
