package catalog

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

// Bundles returns every bundle that a row has ever named.
func (c *Catalog) Bundles(ctx context.Context) ([]Bundle, error) {
	return c.files(ctx, "bundles")
}

// Segments returns every segment of the deep archive that a row has ever named.
func (c *Catalog) Segments(ctx context.Context) ([]Bundle, error) {
	if c.format.Load() < tablesOf6 {
		return nil, nil
	}
	return c.files(ctx, "segments")
}

func (c *Catalog) files(ctx context.Context, table string) ([]Bundle, error) {
	rows, err := c.db.QueryContext(ctx, "SELECT name, whole, entries, bytes, sha256 FROM "+table+" ORDER BY name")
	if err == nil {
		var list []Bundle
		if list, err = scanBundles(rows); err == nil {
			return list, nil
		}
	}
	return nil, fmt.Errorf("reading %s from the catalog: %w", table, classify(err))
}

// LooseAlone returns the total size in bytes of versions that are stored only as loose
// files.
func (c *Catalog) LooseAlone(ctx context.Context) (n int64, err error) {
	query := "SELECT count(*) FROM versions WHERE bundle = ''"
	if c.format.Load() >= tablesOf6 {
		query += " AND segment = ''"
	}
	if err := c.db.QueryRowContext(ctx, query).Scan(&n); err != nil {
		return 0, fmt.Errorf("counting loose files in the catalog: %w", classify(err))
	}
	return n, nil
}

// Thrown reports whether the bundle was removed. Its row stays, so that no other bundle
// gets its number.
func (b *Bundle) Thrown() bool { return b.Whole && b.Entries == 0 }

// Adopting returns the row of a segment while rows of its versions are being added; the
// final row replaces it.
func Adopting(name string) Bundle { return Bundle{Name: name, Entries: -1} }

// Adopting reports whether that is still in progress, or was interrupted.
func (b *Bundle) Adopting() bool { return !b.Whole && b.Entries < 0 }

func scanBundles(rows *sql.Rows) (list []Bundle, err error) {
	defer rows.Close()
	for rows.Next() {
		var b Bundle
		var sum sql.RawBytes
		if err := rows.Scan(&b.Name, &b.Whole, &b.Entries, &b.Bytes, &sum); err != nil {
			return nil, err
		}
		if copy(b.Checksum[:], sum) != len(b.Checksum) && b.Whole {
			return nil, fmt.Errorf("%w: checksum of %s", ErrDamaged, b.Name)
		}
		list = append(list, b)
	}
	return list, rows.Err()
}

// Taken returns the bundles of v1.1.0 whose crates are in the store.
func (c *Catalog) Taken(ctx context.Context) ([]Taken, error) {
	if c.format.Load() < tablesOf3 {
		return nil, nil
	}
	rows, err := c.db.QueryContext(ctx, "SELECT name, size, modified FROM taken ORDER BY name")
	if err == nil {
		var list []Taken
		if list, err = scanTaken(rows); err == nil {
			return list, nil
		}
	}
	return nil, fmt.Errorf("reading taken bundles from the catalog: %w", classify(err))
}

func scanTaken(rows *sql.Rows) (list []Taken, err error) {
	defer rows.Close()
	for rows.Next() {
		var t Taken
		var modified int64
		if err := rows.Scan(&t.Name, &t.Size, &modified); err != nil {
			return nil, err
		}
		t.Modified = time.Unix(0, modified)
		list = append(list, t)
	}
	return list, rows.Err()
}

// putBundles writes the bundles and segments of a batch, and those that its versions are
// in, with their reach.
func putBundles(ctx context.Context, w *writing, b Batch) {
	putFiles(ctx, w, "bundles", b.Bundles, b.Versions, func(v *Version) (string, int64) { return v.Bundle, v.Offset + v.FrameSize })
	putFiles(ctx, w, "segments", b.Segments, b.Versions, func(v *Version) (string, int64) { return v.Deep.Segment, v.Deep.Pack + v.Deep.PackSize })
}

func putFiles(ctx context.Context, w *writing, table string, files []Bundle, versions []Version, in func(*Version) (string, int64)) {
	reaches := map[string]int64{}
	for i := range versions {
		if name, end := in(&versions[i]); name != "" {
			reaches[name] = max(reaches[name], end)
		}
	}
	put(ctx, w, "INSERT INTO "+table+" (name, whole, entries, bytes, sha256, reach) VALUES (?, 0, 0, 0, x'', ?) ON CONFLICT DO UPDATE SET reach = max(reach, excluded.reach)",
		slices.Sorted(maps.Keys(reaches)), func(name *string) []any { return []any{*name, reaches[*name]} })
	put(ctx, w, "INSERT INTO "+table+` (name, whole, entries, bytes, sha256) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET
		whole = excluded.whole, entries = excluded.entries, bytes = excluded.bytes, sha256 = excluded.sha256,
		reach = iif(excluded.whole AND excluded.entries = 0, 0, reach)`, // nothing is in one that was removed
		files, func(b *Bundle) []any { return []any{b.Name, b.Whole, b.Entries, b.Bytes, b.Checksum[:]} })
}

// Adopt records where bytes were found, in bundles or in the deep archive. It inserts rows
// that are not listed and that no index has confirmed (VerifiedAt is zero). An existing row
// of the same bytes gets the new place in addition.
func (c *Catalog) Adopt(ctx context.Context, found []Version) error {
	if err := c.adopt(ctx, found); err != nil {
		return fmt.Errorf("writing the catalog: %w", classify(err))
	}
	return nil
}

func (c *Catalog) adopt(ctx context.Context, found []Version) error {
	return c.write(ctx, func(w *writing) {
		put(ctx, w, `INSERT INTO versions (`+columns+`, `+deepColumns+`) VALUES (?, ?, ?, ?, 0, ?, ?, ?, 0, 0, 0, 0, ?, ?, ?, ?)
			ON CONFLICT DO UPDATE SET size = excluded.size,
				bundle = iif(excluded.bundle <> '', excluded.bundle, bundle), offset = iif(excluded.bundle <> '', excluded.offset, offset),
				length = iif(excluded.bundle <> '', excluded.length, length),
				segment = iif(excluded.segment <> '', excluded.segment, segment), pack = iif(excluded.segment <> '', excluded.pack, pack),
				pack_size = iif(excluded.segment <> '', excluded.pack_size, pack_size),
				number = iif(excluded.segment <> '', excluded.number, number)`, found, func(v *Version) []any {
			w.touch(v.Name)
			return []any{v.Name, v.Version, v.Checksum[:], v.Size, v.Bundle, v.Offset, v.FrameSize,
				v.Deep.Segment, v.Deep.Pack, v.Deep.PackSize, v.Deep.Number}
		})
		putNames(ctx, w, found)
		putBundles(ctx, w, Batch{Versions: found})
	})
}

// AdoptLoose records loose files that were hashed by commands that extract from bundles
// rather than mirror. An existing row of the same bytes gets the file as an additional
// place, and what the index says if it was consulted (VerifiedAt is not zero). A row of
// other bytes stays unchanged: it is a pin.
func (c *Catalog) AdoptLoose(ctx context.Context, found []Version) error {
	err := c.write(ctx, func(w *writing) {
		put(ctx, w, `INSERT INTO versions (`+columns+`) SELECT ?1, ?2, ?3, ?4, 1, '', 0, 0, ?5, ?6, ?7, 0
			WHERE NOT EXISTS (SELECT 1 FROM versions WHERE name = ?1 AND version = ?2 AND sha256 <> ?3 AND verified_at <> 0 AND superseded_at = 0)
			ON CONFLICT DO UPDATE SET loose = 1,
				yanked = iif(excluded.verified_at, excluded.yanked, yanked),
				listed = max(listed, excluded.listed), verified_at = max(verified_at, excluded.verified_at), superseded_at = 0
			WHERE name = excluded.name COLLATE BINARY`, found, func(v *Version) []any {
			w.touch(v.Name)
			return []any{v.Name, v.Version, v.Checksum[:], v.Size, v.Yanked, v.Listed, unix(v.VerifiedAt)}
		})
		putNames(ctx, w, found)
		putListed(ctx, w, found)
		c.notGone(ctx, w, found)
	})
	if err != nil {
		return fmt.Errorf("writing the catalog: %w", classify(err))
	}
	return nil
}

// AdoptRepublished records loose files in republished/ that were hashed: earlier bytes of
// versions. If the bytes have a row, it gets the file as an additional place.
func (c *Catalog) AdoptRepublished(ctx context.Context, found []Version) error {
	now := time.Now().Unix()
	err := c.write(ctx, func(w *writing) {
		put(ctx, w, `INSERT INTO versions (`+columns+`) VALUES (?, ?, ?, ?, 2, '', 0, 0, 0, 0, 0, ?)
			ON CONFLICT DO UPDATE SET loose = 2, listed = 0, superseded_at = iif(superseded_at, superseded_at, excluded.superseded_at)`,
			found, func(v *Version) []any { w.touch(v.Name); return []any{v.Name, v.Version, v.Checksum[:], v.Size, now} })
	})
	if err != nil {
		return fmt.Errorf("writing the catalog: %w", classify(err))
	}
	return nil
}

// TwicePage returns, in the order of names, up to limit versions after the given one that
// have both a loose file and a place in a whole bundle. It reads all rows up to the last of
// them.
func (c *Catalog) TwicePage(ctx context.Context, after crate.ID, limit int) ([]Version, error) {
	return c.twice(ctx, "loose = 1", after, limit)
}

// UnlistedTwicePage is like TwicePage, for versions that the index no longer names. It
// reads no other rows.
func (c *Catalog) UnlistedTwicePage(ctx context.Context, after crate.ID, limit int) ([]Version, error) {
	return c.twice(ctx, unlistedTwice, after, limit)
}

// unlistedTwice is the condition of the index unlisted_twice.
const unlistedTwice = "listed = 0 AND loose = 1 AND bundle <> ''"

func (c *Catalog) twice(ctx context.Context, which string, after crate.ID, limit int) ([]Version, error) {
	rows, err := c.db.QueryContext(ctx, `SELECT `+c.columns()+` FROM versions
		WHERE `+which+` AND (name, version) > (?, ?) AND bundle IN (SELECT name FROM bundles WHERE whole = 1)
		ORDER BY name, version LIMIT ?`, after.Name, after.Version, limit)
	if err == nil {
		var list []Version
		if list, err = scanVersions(rows); err == nil {
			return list, nil
		}
	}
	return nil, fmt.Errorf("reading from the catalog what is held twice: %w", classify(err))
}

// Page returns, in the order of names, the rows of the versions after the given one: at
// most limit, and the remaining rows of the last version.
func (c *Catalog) Page(ctx context.Context, after crate.ID, limit int) ([]Version, error) {
	list, err := c.page(ctx, "(name, version) > (?, ?)", limit, after.Name, after.Version)
	if err == nil && len(list) == limit {
		last := &list[limit-1]
		var rest []Version
		rest, err = c.page(ctx, "name = ? AND version = ? AND sha256 > ?", -1, last.Name, last.Version, last.Checksum[:])
		list = append(list, rest...)
	}
	if err != nil {
		return nil, fmt.Errorf("reading from the catalog what is held: %w", classify(err))
	}
	return list, nil
}

func (c *Catalog) page(ctx context.Context, where string, limit int, args ...any) ([]Version, error) {
	rows, err := c.db.QueryContext(ctx, "SELECT "+c.columns()+" FROM versions WHERE "+where+" ORDER BY name, version, sha256 LIMIT ?",
		append(args, limit)...)
	if err != nil {
		return nil, err
	}
	return scanVersions(rows)
}
