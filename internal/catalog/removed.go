package catalog

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

// Scopes of a Removal: what the index no longer names.
const (
	RemovedCrate    = "crate"
	RemovedVersion  = "version"
	RemovedChecksum = "checksum" // it names other bytes of the version
)

// Removal is a row of removed: the index stopped naming bytes that are held.
type Removal struct {
	crate.Key
	Scope    string
	Seen     time.Time // when a run saw it
	At       Revision  // the index in which it was seen; zero: before format 4
	Returned time.Time // when the index named them again; zero: not yet
}

// incomplete marks a crate as lacking something that the index names.
const incomplete = "UPDATE crates SET blob = '' WHERE path = ?"

// putRemoved records what the index stopped naming. A crate is incomplete if the index
// names other bytes than are held: should it name the held ones again, the crate must not
// pass for unchanged.
func putRemoved(ctx context.Context, w *writing, removed []Removal) {
	put(ctx, w, `INSERT INTO removed VALUES (?, ?, ?, ?, ?, ?, ?, 0) ON CONFLICT DO NOTHING`, removed, func(r *Removal) []any {
		return append(keyColumns(&r.Key), unix(r.Seen), r.At.Commit, unix(r.At.Time), r.Scope)
	})
	for i := range removed {
		if r := &removed[i]; r.Scope == RemovedChecksum {
			put(ctx, w, incomplete, []string{crate.IndexPath(r.Name)}, func(p *string) []any { return []any{*p} })
		}
	}
}

// putListed records that the index names bytes: those that were removed have returned, in
// whatever way, and the crate gets a row, even if it was never complete, so that its later
// absence from the index is noticed.
func putListed(ctx context.Context, w *writing, versions []Version) {
	var paths []string
	var keys []crate.Key
	for i := range versions {
		if v := &versions[i]; v.Listed {
			paths, keys = append(paths, crate.IndexPath(v.Name)), append(keys, v.Key())
		}
	}
	slices.Sort(paths)
	put(ctx, w, "INSERT INTO crates (path, blob, yanked) VALUES (?, '', 0) ON CONFLICT DO NOTHING", slices.Compact(paths),
		func(p *string) []any { return []any{*p} })
	if !w.any(ctx, "SELECT EXISTS (SELECT 1 FROM removed WHERE returned = 0)") { // nearly always
		return
	}
	now := time.Now().Unix()
	put(ctx, w, "UPDATE removed SET returned = ? WHERE name = ? AND version = ? AND sha256 = ? AND returned = 0",
		keys, func(k *crate.Key) []any { return append([]any{now}, keyColumns(k)...) })
}

// WasRemoved returns when the index was first seen without the version or crate of these
// bytes, if it has not named them again since; otherwise zero. That it named other bytes of
// the version does not count.
func (c *Catalog) WasRemoved(ctx context.Context, key crate.Key) (time.Time, error) {
	if c.format.Load() < tablesOf4 {
		return time.Time{}, nil
	}
	var seen int64
	err := c.db.QueryRowContext(ctx, `SELECT coalesce(min(seen), 0) FROM removed
		WHERE name = ? AND version = ? AND sha256 = ? AND returned = 0 AND scope <> '`+RemovedChecksum+`'`,
		keyColumns(&key)...).Scan(&seen)
	if err != nil {
		return time.Time{}, fmt.Errorf("looking up the removal of %s in the catalog: %w", key.ID, classify(err))
	}
	return fromUnix(seen), nil
}

// Removed yields the rows of removed in the order of names; if open is true, only those
// whose bytes are held and that the index has not named again. The sequence ends after an
// error.
func (c *Catalog) Removed(ctx context.Context, open bool) iter.Seq2[Removal, error] {
	if c.format.Load() < tablesOf4 {
		return func(func(Removal, error) bool) {}
	}
	scan := func(rows *sql.Rows) (r Removal, err error) {
		var sum sql.RawBytes
		var seen, at, returned int64
		if err := rows.Scan(&r.Name, &r.Version, &sum, &r.Scope, &seen, &r.At.Commit, &at, &returned); err != nil {
			return r, err
		}
		if copy(r.Checksum[:], sum) != len(r.Checksum) {
			return r, fmt.Errorf("%w: checksum of %s, which was removed", ErrDamaged, r.ID)
		}
		r.Seen, r.At.Time, r.Returned = fromUnix(seen), fromUnix(at), fromUnix(returned)
		return r, nil
	}
	return each(ctx, c, "removals", scan, `SELECT name, version, sha256, scope, seen, commit_id, commit_time, returned FROM removed
		WHERE returned = 0 OR NOT ? ORDER BY name, version, sha256, seen`, open)
}

// Accepted reports whether a user accepted the bytes.
func (c *Catalog) Accepted(ctx context.Context, key crate.Key) (bool, error) {
	if c.format.Load() < tablesOf4 {
		return false, nil
	}
	var n int
	err := c.db.QueryRowContext(ctx, "SELECT count(*) FROM accepted WHERE name = ? AND version = ? AND sha256 = ?", keyColumns(&key)...).Scan(&n)
	if err != nil {
		return false, fmt.Errorf("looking up what was accepted of %s in the catalog: %w", key.ID, classify(err))
	}
	return n > 0, nil
}

// AcceptedSince returns up to limit keys of bytes that were accepted since then and are not
// yet their version's bytes.
func (c *Catalog) AcceptedSince(ctx context.Context, since time.Time, limit int) (keys []crate.Key, err error) {
	if c.format.Load() < tablesOf4 {
		return nil, nil
	}
	rows, err := c.db.QueryContext(ctx, `SELECT name, version, sha256 FROM accepted a WHERE at >= ? AND NOT EXISTS (SELECT 1 FROM versions v
		WHERE v.name = a.name AND v.version = a.version AND v.sha256 = a.sha256 AND superseded_at = 0) LIMIT ?`, unix(since), limit)
	if err == nil {
		keys, err = scanKeys(rows)
	}
	if err != nil {
		return nil, fmt.Errorf("looking up what was accepted in the catalog: %w", classify(err))
	}
	return keys, nil
}

func scanKeys(rows *sql.Rows) (keys []crate.Key, err error) {
	defer rows.Close()
	for rows.Next() {
		var k crate.Key
		var sum sql.RawBytes
		if err := rows.Scan(&k.Name, &k.Version, &sum); err != nil || copy(k.Checksum[:], sum) != len(k.Checksum) {
			return nil, errors.Join(ErrDamaged, err)
		}
		keys = append(keys, k)
	}
	return keys, rows.Err()
}
