package catalog

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

// Versions returns the held versions of a crate, regardless of the case of name. A caller
// interested in many versions should call it once: a crate may have thousands.
func (c *Catalog) Versions(ctx context.Context, name string) ([]Version, error) {
	rows, err := c.versions.QueryContext(ctx, name)
	if err == nil {
		var held []Version
		if held, err = scanVersions(rows); err == nil {
			return held, nil
		}
	}
	return nil, fmt.Errorf("reading versions of %s from the catalog: %w", name, classify(err))
}

// BytesOf returns the rows of one version, of its current and its earlier bytes, regardless
// of the case of its name.
func (c *Catalog) BytesOf(ctx context.Context, id crate.ID) ([]Version, error) {
	rows, err := c.bytesOf.QueryContext(ctx, id.Name, id.Version)
	if err == nil {
		var held []Version
		if held, err = scanVersions(rows); err == nil {
			return held, nil
		}
	}
	return nil, fmt.Errorf("reading %s from the catalog: %w", id, classify(err))
}

// Version returns the row of a version's current bytes. Errors: fs.ErrNotExist if it is not
// held, or under another spelling of its name.
func (c *Catalog) Version(ctx context.Context, id crate.ID) (Version, error) {
	held, err := c.Current(ctx, id)
	if err != nil {
		return Version{}, err
	}
	return Best(held), nil
}

// Current returns the rows of a version's current bytes, at least one. There are several
// only if bundles were adopted and no run has compared them with an index since. Errors: as
// Version.
func (c *Catalog) Current(ctx context.Context, id crate.ID) ([]Version, error) {
	rows, err := c.version.QueryContext(ctx, id.Name, id.Version)
	if err == nil {
		var held []Version
		if held, err = scanVersions(rows); err == nil {
			if len(held) == 0 || held[0].ID != id {
				return nil, fs.ErrNotExist
			}
			return held, nil
		}
	}
	return nil, fmt.Errorf("reading %s from the catalog: %w", id, classify(err))
}

// Best selects among rows that Current returned: one that an index has confirmed, if any.
func Best(held []Version) Version {
	chosen := held[0]
	for _, v := range held[1:] {
		if v.Listed && !chosen.Listed || v.Listed == chosen.Listed && v.VerifiedAt.After(chosen.VerifiedAt) {
			chosen = v
		}
	}
	return chosen
}

// ByChecksum returns the row of these bytes, whether they are the version's current or
// earlier bytes. Errors: as Version.
func (c *Catalog) ByChecksum(ctx context.Context, key crate.Key) (Version, error) {
	held, err := c.BytesOf(ctx, key.ID)
	if err != nil {
		return Version{}, err
	}
	for _, v := range held {
		if v.Key() == key {
			return v, nil
		}
	}
	return Version{}, fs.ErrNotExist
}

// scanVersions reads and closes rows of all columns.
func scanVersions(rows *sql.Rows) (list []Version, err error) {
	defer rows.Close()
	for rows.Next() {
		v, err := scanVersion(rows)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	return list, rows.Err()
}

// scanVersion reads a row of all columns.
func scanVersion(rows *sql.Rows) (v Version, err error) {
	var sum sql.RawBytes
	var loose, verified, superseded int64
	err = rows.Scan(&v.Name, &v.Version, &sum, &v.Size, &loose, &v.Bundle, &v.Offset, &v.FrameSize,
		&v.Yanked, &v.Listed, &verified, &superseded, &v.Leaf,
		&v.Deep.Segment, &v.Deep.Pack, &v.Deep.PackSize, &v.Deep.Number)
	if err != nil || copy(v.Checksum[:], sum) != len(v.Checksum) {
		return v, errors.Join(ErrDamaged, err)
	}
	v.fill(loose, verified, superseded)
	return v, nil
}

// Values of the column loose.
const (
	notLoose    = 0
	looseFile   = 1 // under its LoosePath
	republished = 2 // under its RepublishedPath
)

// fill sets the fields that columns encode differently. The checksum must be set already.
func (v *Version) fill(loose, verified, superseded int64) {
	v.Loose = loose != notLoose
	if loose == republished {
		v.Republished = v.Checksum.FileKey()
	}
	v.VerifiedAt, v.SupersededAt = fromUnix(verified), fromUnix(superseded)
}

// looseColumn is the inverse of fill.
func looseColumn(at store.Placement) int {
	switch {
	case !at.Loose:
		return notLoose
	case at.Republished != "":
		return republished
	}
	return looseFile
}

// fromUnix is the inverse of unix.
func fromUnix(seconds int64) time.Time {
	if seconds == 0 {
		return time.Time{}
	}
	return time.Unix(seconds, 0).UTC()
}
