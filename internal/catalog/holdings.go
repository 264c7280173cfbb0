package catalog

import (
	"cmp"
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
)

// Holding is a row of crates with the versions that are held of the crate.
type Holding struct {
	Crate
	Versions []Version // ordered by version, bytewise
}

// holdings are the versions of the crates in crates, in the order of their paths. A
// crate's name is what follows the last slash of its path: "1/a", "2/ab", "3/a/abc",
// "ab/cd/abcd". Small numbers come as one: a column costs almost as much as its row.
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
	return `SELECT v.name, v.version, v.sha256, v.size, v.loose + 4 * v.yanked + 8 * v.listed, v.bundle, v.offset, v.length,
	v.verified_at, ` + superseded + `, ` + leaf + `, ` + deep + `
	FROM crates c CROSS JOIN versions v ON ` + ofCrate + ` ORDER BY c.path`
}

// crateName is that of a path, and ofCrate joins the rows of a crate to it.
const crateName = `substr(c.path, CASE substr(c.path, 1, 2) WHEN '1/' THEN 3 WHEN '2/' THEN 3 WHEN '3/' THEN 5 ELSE 7 END)`
const ofCrate = `v.name = ` + crateName

// Holdings yields the crates in byte order of their paths, with all that is held of each.
// To ask Versions of each would take ten times as long. The sequence ends after an error.
func (c *Catalog) Holdings(ctx context.Context) iter.Seq2[Holding, error] {
	return func(yield func(Holding, error) bool) {
		err := c.holdings(ctx, func(h Holding) bool { return yield(h, nil) })
		if err != nil {
			yield(Holding{}, fmt.Errorf("reading crates from the catalog: %w", classify(err)))
		}
	}
}

// holdings asks the driver itself: database/sql converts each of the columns of each of
// millions of rows, which takes as long as SQLite does to find them. While one of the two
// questions is open, the other is about the same state.
func (c *Catalog) holdings(ctx context.Context, yield func(Holding) bool) error {
	conn, err := c.db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	return conn.Raw(func(raw any) error {
		var of [2]row
		for i, query := range []string{"SELECT path, blob, yanked, " + crateName + " FROM crates c ORDER BY path", holdings(c.format.Load())} {
			rows, err := raw.(driver.QueryerContext).QueryContext(ctx, query, nil)
			if err != nil {
				return err
			}
			defer rows.Close() // nothing was written
			of[i] = row{rows: rows, values: make([]driver.Value, len(rows.Columns()))}
		}
		return eachHolding(ctx, &of[0], &of[1], yield)
	})
}

func eachHolding(ctx context.Context, crates, versions *row, yield func(Holding) bool) error {
	var held []Version // of a crate; its room is used again
	more := versions.next()
	for ctx.Err() == nil && crates.next() {
		name, h := crates.text(3, ""), Holding{Crate: Crate{Path: crates.text(0, ""), Blob: crates.text(1, ""), Yanked: crates.number(2) != 0}}
		for held = held[:0]; more && strings.EqualFold(versions.text(0, name), name); more = versions.next() {
			held = append(held, Version{})
			versions.version(held)
		}
		h.Versions = append([]Version(nil), held...)
		if err := cmp.Or(crates.err, versions.err); err != nil || !yield(h) {
			return err
		}
	}
	return cmp.Or(crates.err, versions.err, ctx.Err())
}

// row is the last of an answer.
type row struct {
	rows   driver.Rows
	values []driver.Value
	err    error // of the question, or of the first value that is no such
}

// next reports whether there is another row.
func (r *row) next() bool {
	err := r.rows.Next(r.values)
	if err != nil && !errors.Is(err, io.EOF) {
		r.err = cmp.Or(r.err, err)
	}
	return err == nil && r.err == nil
}

// version fills in the last of the versions of a crate. Most repeat texts of the one before.
func (r *row) version(of []Version) {
	v := &of[len(of)-1]
	flags, last := r.number(4), &of[max(0, len(of)-2)]
	v.Name, v.Version = r.text(0, last.Name), r.text(1, "")
	if sum, _ := r.values[2].([]byte); copy(v.Checksum[:], sum) != len(v.Checksum) {
		r.err = fmt.Errorf("%w: checksum of %s %s", ErrDamaged, v.Name, v.Version)
	}
	v.Size, v.Bundle, v.Offset, v.FrameSize = r.number(3), r.text(5, last.Bundle), r.number(6), r.number(7)
	v.Yanked, v.Listed, v.Leaf = flags&4 != 0, flags&8 != 0, r.number(10)
	v.Deep.Segment, v.Deep.Pack, v.Deep.PackSize, v.Deep.Number = r.text(11, last.Deep.Segment), r.number(12), r.number(13), int(r.number(14))
	v.fill(flags&3, r.number(8), r.number(9))
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
