package reader

import (
	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/recent"
)

// mostRows is how many rows of the catalog are kept, with some 400 bytes each.
const mostRows = 1 << 14

// rows are those of crate files that were asked for lately, until the catalog or the
// index has changed: to ask SQLite costs more than all else that it takes to give out a
// small crate. What is not held is looked for whenever it is asked for, and where a file
// has moved since, openRow asks again.
type rows struct {
	recent.Map[rowKey, rowAt]
}

// rowKey is what was asked for: certain bytes, or those that a version has.
type rowKey struct {
	crate.Key
	certain bool
}

type rowAt struct {
	*catalog.Version
	generation uint64 // of the view, before it was read
}

func newRows() *rows { return &rows{recent.Map[rowKey, rowAt]{Most: mostRows}} }

// get returns a row as of a generation. Callers must not change it.
func (r *rows) get(key rowKey, generation uint64, read func() (*catalog.Version, error)) (*catalog.Version, error) {
	if known, ok := r.Get(key); ok && known.generation == generation {
		return known.Version, nil
	}
	row, err := read()
	if err == nil {
		r.Put(key, rowAt{row, generation})
	}
	return row, err
}
