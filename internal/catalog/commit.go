package catalog

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
)

// Commit writes a batch in one durable transaction: all of it or, on error, nothing. A full
// disk is durable.ErrNoSpace.
func (c *Catalog) Commit(ctx context.Context, b Batch) error {
	if b.empty() {
		return nil
	}
	if err := c.commit(ctx, b); err != nil {
		return fmt.Errorf("writing the catalog: %w", classify(err))
	}
	return nil
}

func (c *Catalog) commit(ctx context.Context, b Batch) error {
	return c.write(ctx, func(w *writing) {
		putVersions(ctx, w, b.Versions)
		putBundles(ctx, w, b)
		put(ctx, w, "INSERT OR REPLACE INTO taken (name, size, modified) VALUES (?, ?, ?)",
			b.Taken, func(t *Taken) []any { return []any{t.Name, t.Size, t.Modified.UnixNano()} })
		c.notGone(ctx, w, b.Versions)
		c.putMissing(ctx, w, &b)
		putRemoved(ctx, w, b.Removed)
		put(ctx, w, "INSERT INTO crates (path, blob, yanked) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET blob = excluded.blob, yanked = excluded.yanked",
			b.Crates, func(cr *Crate) []any { w.touch(path.Base(cr.Path)); return []any{cr.Path, cr.Blob, cr.Yanked} })
		put(ctx, w, `INSERT INTO gone (name, version, status, evidence, since) VALUES (?, ?, ?, ?, ?)
			ON CONFLICT DO UPDATE SET status = excluded.status, evidence = excluded.evidence`,
			b.Gone, func(g *Gone) []any { return []any{g.Name, g.Version, g.Status, g.Evidence, g.Since.Unix()} })
		put(ctx, w, "INSERT OR REPLACE INTO accepted VALUES (?, ?, ?, ?)", b.Accepted, func(k *crate.Key) []any {
			return append(keyColumns(k), time.Now().Unix())
		})
		vanish(ctx, w, b.Vanished, b.At)
		drop(ctx, w, b.Dropped)
		if b.Revision != nil {
			put(ctx, w, "INSERT OR REPLACE INTO source (id, commit_id, commit_time) VALUES (1, ?, ?)",
				[]Revision{*b.Revision}, func(r *Revision) []any { return []any{r.Commit, r.Time.Unix()} })
		}
		if b.Measure && w.err == nil {
			_, w.err = w.tx.ExecContext(ctx, "UPDATE bundles SET reach = 0; UPDATE segments SET reach = 0;"+reached)
		}
		if len(b.Gone) > 0 {
			c.anyGone.Store(true)
		}
	})
}

// notGone removes held versions from gone.
func (c *Catalog) notGone(ctx context.Context, w *writing, held []Version) {
	if c.anyGone.Load() {
		put(ctx, w, "DELETE FROM gone WHERE name = ? AND version = ? AND ? = 0",
			held, func(v *Version) []any { return []any{v.Name, v.Version, unix(v.SupersededAt)} })
	}
}

func putVersions(ctx context.Context, w *writing, versions []Version) {
	put(ctx, w, `INSERT INTO versions (`+columns+`, `+deepColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT DO UPDATE SET name = excluded.name, size = excluded.size, loose = excluded.loose,
			bundle = excluded.bundle, offset = excluded.offset, length = excluded.length, yanked = excluded.yanked,
			listed = excluded.listed, verified_at = excluded.verified_at, superseded_at = excluded.superseded_at,
			segment = excluded.segment, pack = excluded.pack, pack_size = excluded.pack_size, number = excluded.number,
			leaf = iif(name = excluded.name COLLATE BINARY, leaf, 0)`,
		versions, func(v *Version) []any {
			w.touch(v.Name)
			return []any{v.Name, v.Version, v.Checksum[:], v.Size, looseColumn(v.Placement), v.Bundle, v.Offset, v.FrameSize,
				v.Yanked, v.Listed, unix(v.VerifiedAt), unix(v.SupersededAt),
				v.Deep.Segment, v.Deep.Pack, v.Deep.PackSize, v.Deep.Number}
		})
	putNames(ctx, w, versions)
	putListed(ctx, w, versions)
}

// vanish records that index files no longer exist.
func vanish(ctx context.Context, w *writing, paths []string, at Revision) {
	name := func(p *string) []any { return []any{path.Base(*p)} }
	put(ctx, w, "DELETE FROM crates WHERE path = ?", paths, func(p *string) []any { return []any{*p} })
	now := time.Now().Unix()
	put(ctx, w, `INSERT INTO removed SELECT name, version, sha256, ?, ?, ?, '`+RemovedCrate+`', 0
		FROM versions v WHERE name = ? AND superseded_at = 0 AND (listed = 1 OR verified_at <> 0 AND NOT EXISTS (SELECT 1 FROM removed r
			WHERE r.name = v.name AND r.version = v.version AND r.sha256 = v.sha256 AND returned = 0 AND scope <> '`+RemovedChecksum+`'))
		ON CONFLICT DO NOTHING`,
		paths, func(p *string) []any { return []any{now, at.Commit, unix(at.Time), path.Base(*p)} })
	put(ctx, w, "UPDATE versions SET listed = 0 WHERE name = ?", paths, name)
	put(ctx, w, "DELETE FROM names WHERE name = ?", paths, name)
}

// drop forgets bytes. The index may still name them (yanked ones), so their crates are no
// longer complete. A crate without a listed version loses its row in names.
func drop(ctx context.Context, w *writing, keys []crate.Key) {
	put(ctx, w, "DELETE FROM versions WHERE name = ? AND version = ? AND sha256 = ?", keys, func(k *crate.Key) []any { w.touch(k.Name); return keyColumns(k) })
	put(ctx, w, incomplete, keys, func(k *crate.Key) []any { return []any{crate.IndexPath(k.Name)} })
	put(ctx, w, "DELETE FROM crates WHERE path = ? AND NOT EXISTS (SELECT 1 FROM versions WHERE name = ?)",
		keys, func(k *crate.Key) []any { return []any{crate.IndexPath(k.Name), k.Name} })
	put(ctx, w, "DELETE FROM names WHERE name = ? AND NOT EXISTS (SELECT 1 FROM versions WHERE name = names.name AND ("+named+"))",
		keys, func(k *crate.Key) []any { return []any{k.Name} })
}

func keyColumns(k *crate.Key) []any { return []any{k.Name, k.Version, k.Checksum[:]} }

// writing is a transaction under way. After its first error it does nothing.
type writing struct {
	tx      *sql.Tx
	err     error
	touched []string // paths of crates whose rows are written
}

// write does what fn writes in one transaction.
func (c *Catalog) write(ctx context.Context, fn func(*writing)) error {
	tx, err := c.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	w := &writing{tx: tx}
	fn(w)
	if w.recount(ctx); w.err != nil {
		return w.err
	}
	return tx.Commit()
}

// put runs a statement for every row.
func put[Row any](ctx context.Context, w *writing, statement string, rows []Row, values func(*Row) []any) {
	if w.err != nil || len(rows) == 0 {
		return
	}
	stmt, err := w.tx.PrepareContext(ctx, statement)
	if err != nil {
		w.err = err
		return
	}
	defer stmt.Close()
	for i := range rows {
		if _, w.err = stmt.ExecContext(ctx, values(&rows[i])...); w.err != nil {
			return
		}
	}
}

// any returns the result of a query for whether rows exist.
func (w *writing) any(ctx context.Context, query string) (yes bool) {
	if w.err == nil {
		w.err = w.tx.QueryRowContext(ctx, query).Scan(&yes)
	}
	return yes
}

// unix returns Unix seconds, or 0 for the zero time.
func unix(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}

// classify wraps an error of SQLite with the error of ours that callers decide on.
func classify(err error) error {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return err
	}
	if e.Code() == sqlite3.SQLITE_IOERR_SHMSIZE { // no room for the index of the write-ahead log
		return fmt.Errorf("%w: %w", durable.ErrNoSpace, err)
	}
	switch e.Code() & 0xff { // the low byte is the primary code
	case sqlite3.SQLITE_FULL:
		return fmt.Errorf("%w: %w", durable.ErrNoSpace, err)
	case sqlite3.SQLITE_READONLY:
		return fmt.Errorf("%w: %w", durable.ErrReadOnly, err)
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return err
}
