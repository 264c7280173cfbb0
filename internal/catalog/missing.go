package catalog

import (
	"context"
	"database/sql"
	"fmt"
	"iter"
	"path"
	"strings"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

// Missing is a row of missing.
type Missing struct {
	crate.ID
	Reason string    // why, in one line; cut to MaxReason bytes
	Since  time.Time // when a run first failed to get it
	Tried  time.Time // when the last run did
}

// MaxReason bounds Missing.Reason, in bytes.
const MaxReason = 500

// putMissing records what a run could not get. It removes rows of versions that are held
// now or that upstream refuses, and of crates that are complete or no longer in the index.
func (c *Catalog) putMissing(ctx context.Context, w *writing, b *Batch) {
	if c.anyMissing.Load() {
		put(ctx, w, "DELETE FROM missing WHERE name = ? AND version = ? AND ? = 0",
			b.Versions, func(v *Version) []any { return []any{v.Name, v.Version, unix(v.SupersededAt)} })
		put(ctx, w, "DELETE FROM missing WHERE name = ? AND version = ?", b.Gone, func(g *Gone) []any { return []any{g.Name, g.Version} })
		put(ctx, w, "DELETE FROM missing WHERE name = ? AND ? <> ''", b.Crates, func(cr *Crate) []any { return []any{path.Base(cr.Path), cr.Blob} })
		put(ctx, w, "DELETE FROM missing WHERE name = ?", b.Vanished, func(p *string) []any { return []any{path.Base(*p)} })
	}
	put(ctx, w, `INSERT INTO missing (name, version, reason, since, tried) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT DO UPDATE SET reason = excluded.reason, tried = excluded.tried`,
		b.Missing, func(m *Missing) []any {
			reason := strings.ToValidUTF8(m.Reason[:min(len(m.Reason), MaxReason)], "")
			return []any{m.Name, m.Version, reason, unix(m.Since), unix(m.Tried)}
		})
	if len(b.Missing) > 0 {
		c.anyMissing.Store(true)
	}
}

// Missing yields the versions that runs could not get, in the order of names; those that
// upstream refuses are in Gone. The sequence ends after an error.
func (c *Catalog) Missing(ctx context.Context) iter.Seq2[Missing, error] {
	if c.format.Load() < tablesOf7 {
		return func(func(Missing, error) bool) {}
	}
	scan := func(rows *sql.Rows) (m Missing, err error) {
		var since, tried int64
		err = rows.Scan(&m.Name, &m.Version, &m.Reason, &since, &tried)
		m.Since, m.Tried = fromUnix(since), fromUnix(tried)
		return m, err
	}
	return each(ctx, c, "what is missing", scan, "SELECT name, version, reason, since, tried FROM missing ORDER BY name, version")
}

// Superseded yields bytes that others have replaced, in the order of names. The sequence
// ends after an error.
func (c *Catalog) Superseded(ctx context.Context) iter.Seq2[Version, error] {
	if c.format.Load() < tablesOf4 {
		return func(func(Version, error) bool) {}
	}
	return each(ctx, c, "what was published again", scanVersion,
		"SELECT "+c.columns()+" FROM versions WHERE superseded_at <> 0 ORDER BY name, version, sha256")
}

// Lacking counts the rows of missing, and of gone.
func (c *Catalog) Lacking(ctx context.Context) (missing, gone int64, err error) {
	query := "SELECT 0, (SELECT count(*) FROM gone)"
	if c.format.Load() >= tablesOf7 {
		query = "SELECT (SELECT count(*) FROM missing), (SELECT count(*) FROM gone)"
	}
	if err := c.db.QueryRowContext(ctx, query).Scan(&missing, &gone); err != nil {
		return 0, 0, fmt.Errorf("counting what the mirror lacks: %w", classify(err))
	}
	return missing, gone, nil
}

// OldestProof returns the oldest time at which bytes were verified, or zero if none were.
func (c *Catalog) OldestProof(ctx context.Context) (time.Time, error) {
	var at int64
	if err := c.db.QueryRowContext(ctx, "SELECT coalesce(min(verified_at), 0) FROM versions WHERE verified_at <> 0").Scan(&at); err != nil {
		return time.Time{}, fmt.Errorf("looking up in the catalog what was verified longest ago: %w", classify(err))
	}
	return fromUnix(at), nil
}

// each yields the rows of a query, as scan reads them. The sequence ends after an error,
// which names what was read.
func each[Row any](ctx context.Context, c *Catalog, what string, scan func(*sql.Rows) (Row, error), query string, args ...any) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		fail := func(err error) {
			var none Row
			yield(none, fmt.Errorf("reading from the catalog %s: %w", what, classify(err)))
		}
		rows, err := c.db.QueryContext(ctx, query, args...)
		if err != nil {
			fail(err)
			return
		}
		defer rows.Close()
		for rows.Next() {
			row, err := scan(rows)
			if err != nil {
				fail(err)
				return
			}
			if !yield(row, nil) {
				return
			}
		}
		if err := rows.Err(); err != nil {
			fail(err)
		}
	}
}
