package catalog

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"iter"
)

// Holding is a row of crates with the versions that are held of the crate.
type Holding struct {
	Crate
	Versions []Version // ordered by version, bytewise
}

// holdings joins both tables in the order of paths. A crate's name is what
// follows the last slash of its path: "1/a", "2/ab", "3/a/abc", "ab/cd/abcd".
// The columns from nameColumn on are NULL for a crate that has no versions.
func holdings(format int64) string {
	superseded, leaf, deep := "0", "0", noDeep
	if format >= tablesOf4 {
		superseded = "v.superseded_at"
	}
	if format >= tablesOf5 {
		leaf = "v.leaf"
	}
	if format >= tablesOf6 {
		deep = "v.segment, v.pack, v.pack_size, v.number"
	}
	return `SELECT c.path, c.blob, c.yanked,
	v.name, v.version, v.sha256, v.size, v.loose, v.bundle, v.offset, v.length, v.yanked, v.listed,
	v.verified_at, ` + superseded + `, ` + leaf + `, ` + deep + `
	FROM crates c LEFT JOIN versions v ON ` + ofCrate + ` ORDER BY c.path`
}

// ofCrate joins the rows of a crate to its path.
const ofCrate = `v.name = substr(c.path, CASE substr(c.path, 1, 2) WHEN '1/' THEN 3 WHEN '2/' THEN 3 WHEN '3/' THEN 5 ELSE 7 END)`

// Holdings yields the crates in byte order of their paths, with all
// that is held of each: one question, where asking Versions for every crate would
// be hundreds of thousands. The sequence ends after an error.
func (c *Catalog) Holdings(ctx context.Context) iter.Seq2[Holding, error] {
	return func(yield func(Holding, error) bool) {
		err := c.holdings(ctx, func(h Holding) bool { return yield(h, nil) })
		if err != nil {
			yield(Holding{}, fmt.Errorf("reading crates from the catalog: %w", classify(err)))
		}
	}
}

// holdings asks the driver itself: database/sql converts each of the twenty columns of
// each of millions of rows, which takes as long as SQLite does to find them.
func (c *Catalog) holdings(ctx context.Context, yield func(Holding) bool) error {
	conn, err := c.db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	return conn.Raw(func(raw any) (err error) {
		rows, err := raw.(driver.QueryerContext).QueryContext(ctx, holdings(c.format.Load()), nil)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, rows.Close()) }()
		return eachHolding(ctx, rows, yield)
	})
}

func eachHolding(ctx context.Context, rows driver.Rows, yield func(Holding) bool) error {
	var h Holding
	var versions []Version // of h; its room is used again
	row := row{values: make([]driver.Value, len(rows.Columns()))}
	for ctx.Err() == nil {
		err := rows.Next(row.values)
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if path := row.text(0, h.Path); err != nil || path != h.Path {
			h.Versions = append([]Version(nil), versions...)
			if h.Path != "" && !yield(h) || err != nil {
				return nil
			}
			h, versions = Holding{Crate: Crate{Path: path, Blob: row.text(1, ""), Yanked: row.number(2) != 0}}, versions[:0]
		}
		if row.values[nameColumn] != nil {
			versions = append(versions, Version{})
			row.version(versions)
		}
		if row.err != nil {
			return row.err
		}
	}
	return ctx.Err()
}

// nameColumn is the first of holdings that is a version's.
const nameColumn = 3

// row is one of holdings.
type row struct {
	values []driver.Value
	err    error // of the first value that is no such
}

// version fills in the last of the versions of a crate. Most repeat texts of the one before.
func (r *row) version(of []Version) {
	v := &of[len(of)-1]
	last := v
	if len(of) > 1 {
		last = &of[len(of)-2]
	}
	v.Name, v.Version = r.text(nameColumn, last.Name), r.text(4, "")
	if sum, _ := r.values[5].([]byte); copy(v.Checksum[:], sum) != len(v.Checksum) {
		r.err = fmt.Errorf("%w: checksum of %s %s", ErrDamaged, v.Name, v.Version)
	}
	v.Size, v.Bundle, v.Offset, v.FrameSize = r.number(6), r.text(8, last.Bundle), r.number(9), r.number(10)
	v.Yanked, v.Listed, v.Leaf = r.number(11) != 0, r.number(12) != 0, r.number(15)
	v.Deep.Segment, v.Deep.Pack, v.Deep.PackSize, v.Deep.Number = r.text(16, last.Deep.Segment), r.number(17), r.number(18), int(r.number(19))
	v.fill(r.number(7), r.number(13), r.number(14))
}

func (r *row) number(column int) int64 {
	n, ok := r.values[column].(int64)
	if !ok && r.err == nil {
		r.err = fmt.Errorf("%w: column %d of a crate has %v, not a number", ErrDamaged, column, r.values[column])
	}
	return n
}

// text returns before if that is equal, so that the row's need not stay in memory.
func (r *row) text(column int, before string) string {
	s, ok := r.values[column].(string)
	if ok && s == before {
		return before
	}
	if !ok && r.err == nil {
		r.err = fmt.Errorf("%w: column %d of a crate has %v, not a text", ErrDamaged, column, r.values[column])
	}
	return s
}
