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

// A Sum counts the stored versions of a crate that the index lists.
type Sum struct {
	Versions, Bytes     int64 // versions that are not yanked, and their size in bytes
	Yanked, YankedBytes int64 // yanked versions, and their size in bytes
}

// sumColumns are the columns of table crates with the Sum. The first, apart, says whether any
// listed version is a loose file, or is in no bundle or segment; then the Sum is not used.
// noSum replaces the columns in a catalog that does not have them.
const (
	sumColumns = "apart, versions, bytes, yanked_versions, yanked_bytes"
	noSum      = "1, 0, 0, 0, 0"
)

// recount is the SQL that computes the sum of crate c from the rows of its versions.
const recount = `UPDATE crates AS c SET (` + sumColumns + `) = (SELECT
	coalesce(max(listed AND (loose <> 0 OR bundle = '' AND segment = '')), 0),
	count(*) FILTER (WHERE listed AND NOT yanked), coalesce(sum(size) FILTER (WHERE listed AND NOT yanked), 0),
	count(*) FILTER (WHERE listed AND yanked), coalesce(sum(size) FILTER (WHERE listed AND yanked), 0)
	FROM versions v WHERE ` + ofCrate + `)`

// touch notes that rows of a crate are written, so that recount computes its sum.
func (w *writing) touch(name string) {
	w.touched = append(w.touched, crate.IndexPath(name))
}

// recount computes the sums of the crates whose rows were written. It must be the last step
// of a transaction.
func (w *writing) recount(ctx context.Context) {
	slices.Sort(w.touched)
	put(ctx, w, recount+" WHERE c.path = ?", slices.Compact(w.touched), func(path *string) []any { return []any{*path} })
}

// readSum reads the Sum of a crate. It returns nil if the caller must read the versions one
// by one.
func readSum(r *raw.Rows) *Sum {
	apart := r.Int()
	sum := Sum{r.Int(), r.Int(), r.Int(), r.Int()}
	if apart != 0 {
		return nil
	}
	return &sum
}

// Reaches yields a placement for each bundle and segment that spans all bytes in which
// versions were ever recorded. If all these bytes exist, so do all versions that Holdings
// sums up. The sequence ends after an error.
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
