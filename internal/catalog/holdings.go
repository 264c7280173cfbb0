package catalog

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
)

// Holding is a row of crates with the versions that are held of the crate.
type Holding struct {
	Crate
	Versions []Version // ordered by version, bytewise
}

// holdings joins both tables in the order of paths. A crate's name is what
// follows the last slash of its path: "1/a", "2/ab", "3/a/abc", "ab/cd/abcd".
// The columns are those of versions, with zeros for a crate that has none.
func holdings(format int64) string {
	superseded, leaf := "coalesce(v.superseded_at, 0)", "coalesce(v.leaf, 0)"
	if format < tablesOf4 {
		superseded = "0"
	}
	if format < tablesOf5 {
		leaf = "0"
	}
	deep := noDeep
	if format >= tablesOf6 {
		deep = "coalesce(v.segment, ''), coalesce(v.pack, 0), coalesce(v.pack_size, 0), coalesce(v.number, 0)"
	}
	return `SELECT c.path, c.blob, c.yanked,
	coalesce(v.name, ''), coalesce(v.version, ''), coalesce(v.sha256, x''), coalesce(v.size, 0), coalesce(v.loose, 0),
	coalesce(v.bundle, ''), coalesce(v.offset, 0), coalesce(v.length, 0), coalesce(v.yanked, 0), coalesce(v.listed, 0),
	coalesce(v.verified_at, 0), ` + superseded + `, ` + leaf + `, ` + deep + `
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

func (c *Catalog) holdings(ctx context.Context, yield func(Holding) bool) error {
	rows, err := c.db.QueryContext(ctx, holdings(c.format.Load()))
	if err != nil {
		return err
	}
	defer rows.Close()
	var h Holding
	var path, blob, name, bundle, segment, sum sql.RawBytes // most rows repeat the last one's
	for rows.Next() {
		var v Version
		var yanked bool
		var loose, verified, superseded int64
		err := rows.Scan(&path, &blob, &yanked, &name, &v.Version, &sum, &v.Size, &loose, &bundle, &v.Offset, &v.FrameSize,
			&v.Yanked, &v.Listed, &verified, &superseded, &v.Leaf, &segment, &v.Deep.Pack, &v.Deep.PackSize, &v.Deep.Number)
		if err != nil {
			return errors.Join(ErrDamaged, err)
		}
		if string(path) != h.Path {
			if h.Path != "" && !yield(h) {
				return nil
			}
			h = Holding{Crate: Crate{Path: string(path), Blob: string(blob), Yanked: yanked}}
		}
		if len(name) == 0 {
			continue
		}
		if copy(v.Checksum[:], sum) != len(v.Checksum) {
			return fmt.Errorf("%w: checksum of %s %s", ErrDamaged, name, v.Version)
		}
		last := &v
		if len(h.Versions) > 0 {
			last = &h.Versions[len(h.Versions)-1]
		}
		v.Name, v.Bundle, v.Deep.Segment = again(last.Name, name), again(last.Bundle, bundle), again(last.Deep.Segment, segment)
		v.fill(loose, verified, superseded)
		h.Versions = append(h.Versions, v)
	}
	if h.Path != "" && rows.Err() == nil {
		yield(h)
	}
	return rows.Err()
}

// again returns a text as a string, that of the row before if they are equal.
func again(before string, text []byte) string {
	if before == string(text) {
		return before
	}
	return string(text)
}
