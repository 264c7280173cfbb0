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

// Commit writes a batch in one durable transaction: all of it or, with an
// error, nothing. A full disk is durable.ErrNoSpace.
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
	tx, err := c.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	err = put(ctx, tx, `INSERT OR REPLACE INTO versions
		(name, version, sha256, size, loose, bundle, offset, length, yanked, listed, verified_at)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, b.Versions, func(v *Version) []any {
		return []any{v.Name, v.Version, v.Checksum[:], v.Size, v.Loose, v.Bundle, v.Offset, v.Length,
			v.Yanked, v.Listed, unix(v.VerifiedAt)}
	})
	if err != nil {
		return err
	}
	if err := putNames(ctx, tx, b.Versions); err != nil {
		return err
	}
	if err := putBundles(ctx, tx, b); err != nil {
		return err
	}
	err = put(ctx, tx, "INSERT OR REPLACE INTO taken (name, size, modified) VALUES (?, ?, ?)",
		b.Taken, func(t *Taken) []any { return []any{t.Name, t.Size, t.Modified.UnixNano()} })
	if err != nil {
		return err
	}
	if c.anyGone.Load() {
		err := put(ctx, tx, "DELETE FROM gone WHERE name = ? AND version = ?", b.Versions,
			func(v *Version) []any { return []any{v.Name, v.Version} })
		if err != nil {
			return err
		}
	}
	err = put(ctx, tx, `INSERT OR REPLACE INTO crates (path, blob, yanked) VALUES (?, ?, ?)`,
		b.Crates, func(cr *Crate) []any { return []any{cr.Path, cr.Blob, cr.Yanked} })
	if err != nil {
		return err
	}
	err = put(ctx, tx, `INSERT INTO gone (name, version, status, evidence, since) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT DO UPDATE SET status = excluded.status, evidence = excluded.evidence`,
		b.Gone, func(g *Gone) []any { return []any{g.Name, g.Version, g.Status, g.Evidence, g.Since.Unix()} })
	if err != nil {
		return err
	}
	err = put(ctx, tx, "DELETE FROM crates WHERE path = ?", b.Vanished, func(p *string) []any { return []any{*p} })
	if err != nil {
		return err
	}
	err = put(ctx, tx, "UPDATE versions SET listed = 0 WHERE name = ?", b.Vanished, func(p *string) []any { return []any{path.Base(*p)} })
	if err != nil {
		return err
	}
	if err := removeNames(ctx, tx, b.Vanished); err != nil {
		return err
	}
	err = put(ctx, tx, "DELETE FROM versions WHERE name = ? AND version = ?", b.Dropped,
		func(id *crate.ID) []any { return []any{id.Name, id.Version} })
	if err != nil {
		return err
	}
	if b.Revision != nil {
		_, err := tx.ExecContext(ctx, "INSERT OR REPLACE INTO source (id, commit_id, commit_time) VALUES (1, ?, ?)",
			b.Revision.Commit, b.Revision.Time.Unix())
		if err != nil {
			return err
		}
	}
	if len(b.Gone) > 0 {
		c.anyGone.Store(true)
	}
	return tx.Commit()
}

// unix is 0 for the zero time.
func unix(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}

// put runs a statement for every row.
func put[Row any](ctx context.Context, tx *sql.Tx, statement string, rows []Row, values func(*Row) []any) error {
	if len(rows) == 0 {
		return nil
	}
	stmt, err := tx.PrepareContext(ctx, statement)
	if err != nil {
		return err
	}
	defer stmt.Close()
	for i := range rows {
		if _, err := stmt.ExecContext(ctx, values(&rows[i])...); err != nil {
			return err
		}
	}
	return nil
}

// classify adds to an error of SQLite the one of ours that code decides on.
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
