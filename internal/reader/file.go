package reader

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

// File is an open crate file, whose bytes have the checksum.
type File struct {
	store.Content
	ID       crate.ID
	Checksum crate.Checksum
}

// OnDisk returns the open file of a loose crate, whose bytes were verified, for
// [durable.Link]. It is nil for a crate in a bundle, and is closed with f.
func (f *File) OnDisk() durable.File {
	content := f.Content
	if m, ok := content.(inMemory); ok {
		content = m.from
	}
	if loose, ok := content.(interface{ OnDisk() durable.File }); ok {
		return loose.OnDisk()
	}
	return nil
}

// A DamagedError says that a version is held, but no place has its correct bytes. It does
// not wrap fs.ErrNotExist, even if a file is missing, because the mirror has promised it.
type DamagedError struct {
	ID  crate.ID
	Err error // what is wrong, for each place
}

func (e *DamagedError) Error() string {
	return fmt.Sprintf("%s is held, but cannot be served: %v", e.ID, e.Err)
}

// Open opens the crate file of a held version, even of one that the index no longer names,
// for users who have it in their Cargo.lock. As on crates.io, the name may have another
// case, or "-" for "_"; this takes effect once names are searchable. Errors: fs.ErrNotExist
// if it is not held; *DamagedError; others if the catalog or the disk cannot be read.
func (v *View) Open(ctx context.Context, id crate.ID) (*File, error) {
	row, err := v.find(ctx, id)
	if err != nil {
		return nil, err
	}
	return v.openRow(ctx, row)
}

// Find returns which bytes Open would open. Errors: fs.ErrNotExist if the version is not
// held; others if the catalog cannot be read.
func (v *View) Find(ctx context.Context, id crate.ID) (crate.Key, error) {
	row, err := v.find(ctx, id)
	if err != nil {
		return crate.Key{}, err
	}
	return row.Key(), nil
}

// find returns the catalog's row of a version, by a name in any spelling.
func (v *View) find(ctx context.Context, id crate.ID) (*catalog.Version, error) {
	if id.Check() != nil {
		return nil, notHeld(id)
	}
	return v.rows.get(rowKey{crate.Key{ID: id}, false}, v.Generation(), func() (*catalog.Version, error) { return v.spelledRow(ctx, id) })
}

// spelledRow is row for any spelling of the name.
func (v *View) spelledRow(ctx context.Context, id crate.ID) (*catalog.Version, error) {
	row, err := v.row(ctx, id)
	if errors.Is(err, fs.ErrNotExist) {
		if name, ok := v.names.Load().published(id.Name); ok && name != id.Name {
			return v.row(ctx, crate.ID{Name: name, Version: id.Version})
		}
	}
	return row, err
}

// OpenBytes opens bytes that a version has, or had before it was published again. Errors:
// those of Open.
func (v *View) OpenBytes(ctx context.Context, key crate.Key) (*File, error) {
	if key.ID.Check() != nil {
		return nil, notHeld(key.ID)
	}
	row, err := v.rows.get(rowKey{key, true}, v.Generation(), func() (*catalog.Version, error) { return v.bytesRow(ctx, key) })
	if err != nil {
		return nil, err
	}
	return v.openRow(ctx, row)
}

// mostMoves is how often a version may be moved while one reader opens it. Each move takes
// a run of its own, so the second is already rare.
const mostMoves = 4

// openRow opens a version where its row says that it is, or where the catalog says now, if
// a run has moved or removed it since.
func (v *View) openRow(ctx context.Context, row *catalog.Version) (*File, error) {
	if f := headOf(ctx, row); f != nil {
		return f, nil
	}
	f, bad, err := v.copies.open(ctx, row)
	for moves := 0; len(bad) > 0 && moves < mostMoves; moves++ {
		now, errNow := v.bytesRow(ctx, row.Key())
		if f == nil && errors.Is(errNow, fs.ErrNotExist) {
			return nil, errNow
		}
		if errNow != nil || now.Placement == row.Placement {
			break
		}
		if f != nil {
			return f, nil // if something is wrong there now, the next reader finds it
		}
		row = now
		f, bad, err = v.copies.open(ctx, row)
	}
	v.copies.tell(row, bad)
	return f, err
}

// bytesRow returns the catalog's row of bytes.
func (v *View) bytesRow(ctx context.Context, key crate.Key) (*catalog.Version, error) {
	var row catalog.Version
	err := v.catalog.Read(ctx, func(c *catalog.Catalog) (err error) {
		row, err = c.ByChecksum(ctx, key)
		return err
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil, notHeld(key.ID)
	}
	return &row, err
}

// row returns the catalog's row of a version.
func (v *View) row(ctx context.Context, id crate.ID) (*catalog.Version, error) {
	var rows []catalog.Version
	err := v.catalog.Read(ctx, func(c *catalog.Catalog) (err error) {
		rows, err = c.Current(ctx, id)
		return err
	})
	if errors.Is(err, fs.ErrNotExist) { // the row, or the whole catalog
		return nil, notHeld(id)
	}
	switch {
	case err != nil:
		return nil, err
	case len(rows) == 1:
		return &rows[0], nil
	}
	return v.named(ctx, rows)
}

// named chooses among rows of one version the one that the index names: a replica adopts
// the content of bundles, and no run tells it which bytes are the version's.
func (v *View) named(ctx context.Context, rows []catalog.Version) (*catalog.Version, error) {
	best := catalog.Best(rows)
	c, err := v.index.crate(ctx, best.Name)
	if errors.Is(err, fs.ErrNotExist) {
		return &best, nil
	}
	if err != nil {
		return nil, err
	}
	for i := range c.Entries {
		for n := range rows {
			if c.Entries[i].ID == rows[n].ID && c.Entries[i].Checksum == rows[n].Checksum {
				return &rows[n], nil
			}
		}
	}
	return &best, nil
}

// tried returns the places of a version, and last the one to which a run moves its loose
// file before it records that the version has other bytes.
func tried(row *catalog.Version) []store.Placement {
	at := row.Places()
	if row.Loose {
		at = append(at, row.Moved(row.Checksum))
	}
	return at
}

func ignoreAbsent(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
