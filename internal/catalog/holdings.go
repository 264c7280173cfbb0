package catalog

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog/raw"
)

// A Holding is a crate with what is stored of it: its versions, or their sum.
type Holding struct {
	Crate
	Versions []Version // in byte order of their version; empty if there is a Sum
	Sum      *Sum
}

// crateName is the SQL for the name of a crate, the text after the last slash of its path:
// "1/a", "2/ab", "3/a/abc", "ab/cd/abcd". ofCrate is the join of a crate with its versions.
const crateName = `substr(c.path, CASE substr(c.path, 1, 2) WHEN '1/' THEN 3 WHEN '2/' THEN 3 WHEN '3/' THEN 5 ELSE 7 END)`
const ofCrate = `v.name = ` + crateName

// holdings returns the queries for crates and for their versions, both ordered by path. Flags
// share one column, because reading a column takes almost as long as reading a row.
func (c *Catalog) holdings(sums bool) (crates, versions string) {
	have := c.format.Load()
	superseded, leaf, deep, sum, apart := "0", "0", noDeep, noSum, ""
	if have >= tablesOf4 {
		superseded = "v.superseded_at"
	}
	if have >= tablesOf5 {
		leaf = "v.leaf"
	}
	if have >= tablesOf6 {
		deep = "v.segment, v.pack, v.pack_size, v.number"
	}
	if sums && have >= tablesOf8 {
		sum, apart = sumColumns, " WHERE c.apart"
	}
	crates = "SELECT path, blob, yanked, " + crateName + ", " + sum + " FROM crates c ORDER BY path"
	versions = `SELECT v.name, v.version, v.sha256, v.size, v.loose + 4 * v.yanked + 8 * v.listed, v.bundle, v.offset, v.length,
	v.verified_at, ` + superseded + `, ` + leaf + `, ` + deep + `
	FROM crates c CROSS JOIN versions v ON ` + ofCrate + apart + ` ORDER BY c.path`
	return crates, versions
}

// Holdings yields all crates in byte order of their paths, with what is stored of each. If
// sums is true, crates whose versions are all in bundles and segments have a Sum instead of
// versions. It is ten times as fast as calling Versions for each crate. The sequence ends
// after an error.
func (c *Catalog) Holdings(ctx context.Context, sums bool) iter.Seq2[Holding, error] {
	return func(yield func(Holding, error) bool) {
		err := c.eachHolding(ctx, sums, func(h Holding) bool { return yield(h, nil) })
		if kind := new(raw.KindError); errors.As(err, &kind) {
			err = fmt.Errorf("%w: %w", ErrDamaged, err)
		}
		if err != nil {
			yield(Holding{}, fmt.Errorf("reading crates from the catalog: %w", classify(err)))
		}
	}
}

func (c *Catalog) eachHolding(ctx context.Context, sums bool, yield func(Holding) bool) error {
	conn, err := c.db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	ofCrates, ofVersions := c.holdings(sums)
	crates, err := raw.Query(ctx, conn, ofCrates)
	if err != nil {
		return err
	}
	defer crates.Close()
	rows, err := raw.Query(ctx, conn, ofVersions)
	if err != nil {
		return err
	}
	defer rows.Close()
	versions := &ahead{Rows: rows}
	versions.advance()
	for ctx.Err() == nil && crates.Next() {
		h := Holding{Crate: Crate{Path: crates.Text(""), Blob: crates.Text(""), Yanked: crates.Int() != 0}}
		h.Versions = versions.of(crates.Text(""))
		h.Sum = readSum(crates)
		if err := errors.Join(crates.Err(), rows.Err()); err != nil || !yield(h) {
			return err
		}
	}
	return errors.Join(crates.Err(), rows.Err(), ctx.Err())
}

// ahead groups rows of versions by crate, for which it reads one row ahead.
type ahead struct {
	*raw.Rows
	next Version
	more bool      // next is valid
	held []Version // versions of the current crate; a buffer that is reused
}

func (a *ahead) advance() {
	if a.more = a.Next(); a.more {
		a.next = readVersion(a.Rows, &a.next)
	}
}

// of returns the versions of a crate. Call it with the crates in the order of the rows.
func (a *ahead) of(name string) []Version {
	for a.held = a.held[:0]; a.more && strings.EqualFold(a.next.Name, name); a.advance() {
		a.held = append(a.held, a.next)
	}
	return append([]Version(nil), a.held...)
}

// readVersion reads a row. It reuses the texts of the version before, which most rows repeat.
func readVersion(r *raw.Rows, before *Version) (v Version) {
	v.Name, v.Version = r.Text(before.Name), r.Text("")
	if copy(v.Checksum[:], r.Bytes()) != len(v.Checksum) {
		r.Fail(fmt.Errorf("%w: checksum of %s", ErrDamaged, v.ID))
	}
	v.Size = r.Int()
	flags := r.Int()
	v.Yanked, v.Listed = flags&4 != 0, flags&8 != 0
	v.Bundle, v.Offset, v.FrameSize = r.Text(before.Bundle), r.Int(), r.Int()
	verified, superseded := r.Int(), r.Int()
	v.fill(flags&3, verified, superseded)
	v.Leaf = r.Int()
	v.Deep.Segment, v.Deep.Pack, v.Deep.PackSize, v.Deep.Number = r.Text(before.Deep.Segment), r.Int(), r.Int(), int(r.Int())
	return v
}
