package catalog

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
)

// NamesMark marks how many names were read. The zero mark is the beginning.
type NamesMark struct {
	last  int64 // id of the last name
	count int64 // number of names
}

// Names returns the names of crates that were added since mark, in that order, and the mark
// for the next call. If names were removed, or the catalog has a format before 3 and thus
// no table of names, all is true and names has all of them. It has only names that the
// index lists, or that were not compared with the index yet.
func (c *Catalog) Names(ctx context.Context, mark NamesMark) (names []string, next NamesMark, all bool, err error) {
	names, next, all, err = c.names(ctx, mark)
	if err != nil {
		return nil, mark, false, fmt.Errorf("reading names of crates from the catalog: %w", classify(err))
	}
	return names, next, all, nil
}

func (c *Catalog) names(ctx context.Context, mark NamesMark) (names []string, next NamesMark, all bool, err error) {
	if c.format.Load() < tablesOf3 {
		names, err = queryNames(ctx, c.db, "SELECT DISTINCT name FROM versions WHERE "+named)
		return names, NamesMark{}, true, err
	}
	tx, err := c.db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true}) // one snapshot for both queries
	if err != nil {
		return nil, mark, false, err
	}
	defer tx.Rollback()
	if err := tx.QueryRowContext(ctx, "SELECT count(*), coalesce(max(id), 0) FROM names").Scan(&next.count, &next.last); err != nil {
		return nil, mark, false, err
	}
	names, err = queryNames(ctx, tx, "SELECT name FROM names WHERE id > ? ORDER BY id", mark.last)
	if err == nil && mark.count+int64(len(names)) != next.count {
		all = true
		names, err = queryNames(ctx, tx, "SELECT name FROM names ORDER BY id")
	}
	return names, next, all || mark == NamesMark{}, err
}

type queryer interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

func queryNames(ctx context.Context, from queryer, query string, args ...any) (names []string, err error) {
	rows, err := from.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, err
		}
		names = append(names, name)
	}
	return names, rows.Err()
}

// named is the condition on rows of versions that give a crate a row in names.
const named = "listed = 1 OR verified_at = 0"

// putNames adds the names of versions.
func putNames(ctx context.Context, w *writing, versions []Version) {
	var names []string
	for i := range versions {
		if v := &versions[i]; v.Listed || v.VerifiedAt.IsZero() {
			names = append(names, v.Name)
		}
	}
	slices.Sort(names)
	put(ctx, w, "INSERT INTO names (name) VALUES (?) ON CONFLICT DO NOTHING", slices.Compact(names),
		func(name *string) []any { return []any{*name} })
}

// Held returns the names of all crates with bytes that are held, including those that the
// index no longer names, in no particular order.
func (c *Catalog) Held(ctx context.Context) ([]string, error) {
	names, err := queryNames(ctx, c.db, "SELECT DISTINCT name FROM versions")
	if err != nil {
		return nil, fmt.Errorf("reading names of crates from the catalog: %w", classify(err))
	}
	return names, nil
}
