package catalog

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

// Logged says how much of a log of statements is recorded.
type Logged struct {
	Size int64    // leaves; 0: none
	Root [32]byte // root hash of the tree over them
}

// Logged returns how much of the log is recorded.
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

// Tally counts the rows of a crate that statements are about.
type Tally struct {
	Crate
	Listed int64 // rows that the index names
	Good   int64 // of these: verified, current, and stored somewhere
	New    int64 // of those: not in the log
}

// Good reports whether the row's bytes are stored, verified, and the version's current
// bytes.
func (v *Version) Good() bool {
	return !v.VerifiedAt.IsZero() && v.SupersededAt.IsZero() && !v.Placement.IsZero()
}

// tallies counts rows as Good does, in the order of paths. Counting in SQLite takes a
// quarter of the time of Holdings, as it returns few rows.
const tallies = `SELECT c.path, c.blob, c.yanked, coalesce(sum(v.listed), 0), coalesce(sum(v.listed AND ` + goodRow + `), 0),
	coalesce(sum(v.listed AND ` + goodRow + ` AND v.leaf = 0), 0)
	FROM crates c LEFT JOIN versions v ON ` + ofCrate + ` GROUP BY c.path ORDER BY c.path`

const goodRow = `v.verified_at <> 0 AND v.superseded_at = 0 AND (v.loose <> 0 OR v.bundle <> '' OR v.segment <> '')`

// Tallies yields the crates in byte order of their paths. The catalog must be open for
// writing, so that it has the newest format. The sequence ends after an error.
func (c *Catalog) Tallies(ctx context.Context) iter.Seq2[Tally, error] {
	return func(yield func(Tally, error) bool) {
		if err := c.tallies(ctx, func(t Tally) bool { return yield(t, nil) }); err != nil {
			yield(Tally{}, fmt.Errorf("counting what the catalog holds: %w", classify(err)))
		}
	}
}

func (c *Catalog) tallies(ctx context.Context, yield func(Tally) bool) error {
	rows, err := c.db.QueryContext(ctx, tallies)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var t Tally
		if err := rows.Scan(&t.Path, &t.Blob, &t.Yanked, &t.Listed, &t.Good, &t.New); err != nil {
			return err
		}
		if !yield(t) {
			return nil
		}
	}
	return rows.Err()
}

// RecordLeaves records that keys are the leaves of the log after those already recorded; to
// is the log including them. It ignores keys that are not held.
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

// ForgetLeaves forgets the leaves, because the log is a different one.
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
