package catalog

import (
	"context"
	"database/sql"
	"fmt"
)

// Keep removes all places except those in the bundles and segments of these names, and rows
// that are in none of them, for mirrors that hold exactly what a list names. It reads all
// rows, and returns how many it removed.
func (c *Catalog) Keep(ctx context.Context, bundles, segments []string) (lost int64, err error) {
	if lost, err = c.keep(ctx, bundles, segments); err != nil {
		return 0, fmt.Errorf("removing missing entries from the catalog: %w", classify(err))
	}
	return lost, nil
}

func (c *Catalog) keep(ctx context.Context, bundles, segments []string) (lost int64, err error) {
	do := func(w *writing, statement string) (rows int64) {
		if w.err != nil {
			return 0
		}
		var result sql.Result
		if result, w.err = w.tx.ExecContext(ctx, statement); w.err == nil {
			rows, w.err = result.RowsAffected()
		}
		return rows
	}
	err = c.write(ctx, func(w *writing) {
		do(w, "CREATE TEMP TABLE IF NOT EXISTS kept (name TEXT NOT NULL PRIMARY KEY) WITHOUT ROWID")
		for _, of := range []struct {
			table, forget string
			names         []string
		}{
			{"bundles", "bundle = '', offset = 0, length = 0 WHERE bundle <> '' AND bundle", bundles},
			{"segments", "segment = '', pack = 0, pack_size = 0, number = 0 WHERE segment <> '' AND segment", segments},
		} {
			do(w, "DELETE FROM temp.kept")
			put(ctx, w, "INSERT INTO temp.kept VALUES (?) ON CONFLICT DO NOTHING", of.names, func(name *string) []any { return []any{*name} })
			do(w, "DELETE FROM "+of.table+" WHERE name NOT IN (SELECT name FROM temp.kept)")
			do(w, "UPDATE versions SET "+of.forget+" NOT IN (SELECT name FROM temp.kept)")
		}
		do(w, "DROP TABLE temp.kept")
		do(w, "UPDATE versions SET loose = 0 WHERE loose <> 0")
		lost = do(w, "DELETE FROM versions WHERE bundle = '' AND segment = ''")
		do(w, "DELETE FROM names WHERE NOT EXISTS (SELECT 1 FROM versions WHERE name = names.name AND ("+named+"))")
		do(w, "DELETE FROM crates AS c WHERE NOT EXISTS (SELECT 1 FROM versions v WHERE "+ofCrate+")")
		do(w, recount)
	})
	return lost, err
}
