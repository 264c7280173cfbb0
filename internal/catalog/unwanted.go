package catalog

import (
	"context"
	"fmt"
	"iter"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

// Unwanted selects rows of bytes that the index no longer names, as far as the catalog
// knows.
type Unwanted struct {
	Yanked     bool // include yanked versions
	Superseded bool // include bytes that others have replaced
	Bundled    bool // include those in bundles, and not only loose files
	Packed     bool // include those in the deep archive
}

// Has reports whether a row is selected. Nothing is known of bytes that no index has
// confirmed, so they are not selected unless others replaced them.
func (u Unwanted) Has(v *Version) bool {
	switch {
	case !v.Loose && (!u.Bundled || v.Bundle == "") && (!u.Packed || v.Deep.Segment == ""):
		return false
	case !v.SupersededAt.IsZero():
		return u.Superseded
	}
	return !v.VerifiedAt.IsZero() && (!v.Listed || u.Yanked && v.Yanked)
}

// UnwantedPage returns, in the order of names, up to limit selected rows after the given
// one.
func (c *Catalog) UnwantedPage(ctx context.Context, after crate.Key, u Unwanted, limit int) ([]Version, error) {
	place := "loose <> 0 OR bundle <> '' AND ?"
	if u.Packed && c.format.Load() >= tablesOf6 {
		place += " OR segment <> ''"
	}
	rows, err := c.db.QueryContext(ctx, `SELECT `+c.columns()+` FROM versions
		WHERE (name, version, sha256) > (?, ?, ?) AND (`+place+`)
		AND iif(`+c.current()+`, verified_at <> 0 AND (listed = 0 OR yanked = 1 AND ?), ?)
		ORDER BY name, version, sha256 LIMIT ?`, append(keyColumns(&after), u.Bundled, u.Yanked, u.Superseded, limit)...)
	if err == nil {
		var list []Version
		if list, err = scanVersions(rows); err == nil {
			return list, nil
		}
	}
	return nil, fmt.Errorf("reading from the catalog what is not wanted: %w", classify(err))
}

// InBundle yields the rows of a bundle's members, in the order of their offsets. The
// sequence ends after an error.
func (c *Catalog) InBundle(ctx context.Context, bundle string) iter.Seq2[Version, error] {
	return each(ctx, c, "what is in "+bundle, scanVersion, "SELECT "+c.columns()+" FROM versions WHERE bundle = ? ORDER BY offset", bundle)
}

// BundledBytes returns how many bytes of each bundle are members with a row.
func (c *Catalog) BundledBytes(ctx context.Context) (map[string]int64, error) {
	bytes, err := c.bytesOfFiles(ctx, "SELECT bundle, sum(length) FROM versions WHERE bundle <> '' GROUP BY bundle")
	if err != nil {
		return nil, fmt.Errorf("reading from the catalog what is in bundles: %w", classify(err))
	}
	return bytes, nil
}

func (c *Catalog) bytesOfFiles(ctx context.Context, query string) (map[string]int64, error) {
	rows, err := c.db.QueryContext(ctx, query)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	bytes := map[string]int64{}
	for rows.Next() {
		var name string
		var n int64
		if err := rows.Scan(&name, &n); err != nil {
			return nil, err
		}
		bytes[name] = n
	}
	return bytes, rows.Err()
}

// PackedBytes returns how many bytes of each segment are packs that rows name. A pack
// counts in proportion to how many of its versions have rows, at least a byte; their
// highest number says how many versions it has.
func (c *Catalog) PackedBytes(ctx context.Context) (map[string]int64, error) {
	bytes, err := c.bytesOfFiles(ctx, `SELECT segment, sum(max(1, pack_size * min(rows, last + 1) / (last + 1))) FROM
		(SELECT segment, pack_size, count(*) AS rows, max(number) AS last FROM versions WHERE segment <> '' GROUP BY segment, pack, pack_size)
		GROUP BY segment`)
	if err != nil {
		return nil, fmt.Errorf("reading from the catalog what is in segments: %w", classify(err))
	}
	return bytes, nil
}
