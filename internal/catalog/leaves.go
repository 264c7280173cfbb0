package catalog

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

// Logged says up to where the leaves of a log of statements are known.
type Logged struct {
	Size int64    // leaves; 0: none
	Root [32]byte // of the tree over them
}

// Logged returns up to where the catalog knows the log.
func (c *Catalog) Logged(ctx context.Context) (Logged, error) {
	var l Logged
	var root sql.RawBytes
	if c.format.Load() < tablesOf5 {
		return l, nil
	}
	rows, err := c.db.QueryContext(ctx, "SELECT size, root FROM logged")
	if err != nil {
		return l, fmt.Errorf("reading from the catalog what is in the log: %w", classify(err))
	}
	defer rows.Close()
	for rows.Next() {
		if err := rows.Scan(&l.Size, &root); err != nil || copy(l.Root[:], root) != len(l.Root) {
			return l, errors.Join(ErrDamaged, err)
		}
	}
	return l, rows.Err()
}

// RecordLeaves notes that keys are the leaves of the log that follow on those that
// are known, up to what the log is then. Bytes that are not held are nothing to the
// catalog.
func (c *Catalog) RecordLeaves(ctx context.Context, keys []crate.Key, to Logged) error {
	err := c.write(ctx, func(w *writing) {
		leaf := to.Size - int64(len(keys))
		put(ctx, w, "UPDATE versions SET leaf = ? WHERE name = ? AND version = ? AND sha256 = ? AND name = ? COLLATE BINARY",
			keys, func(k *crate.Key) []any {
				leaf++
				return []any{leaf, k.Name, k.Version, k.Checksum[:], k.Name}
			})
		putLogged(ctx, w, to)
	})
	if err != nil {
		return fmt.Errorf("writing leaves to the catalog: %w", classify(err))
	}
	return nil
}

// ForgetLeaves notes that nothing is known of the log: it is another one.
func (c *Catalog) ForgetLeaves(ctx context.Context) error {
	err := c.write(ctx, func(w *writing) {
		put(ctx, w, "UPDATE versions SET leaf = 0 WHERE leaf <> ?", []int{0}, func(*int) []any { return []any{0} })
		putLogged(ctx, w, Logged{})
	})
	if err != nil {
		return fmt.Errorf("writing leaves to the catalog: %w", classify(err))
	}
	return nil
}

func putLogged(ctx context.Context, w *writing, l Logged) {
	put(ctx, w, "INSERT OR REPLACE INTO logged (id, size, root) VALUES (1, ?, ?)",
		[]Logged{l}, func(l *Logged) []any { return []any{l.Size, l.Root[:]} })
}
