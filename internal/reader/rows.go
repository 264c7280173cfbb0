package reader

import (
	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/recent"
)

// mostRows is the number of cached rows of the catalog, some 400 bytes each.
const mostRows = 1 << 14

// rows caches the rows of recently requested crate files until the catalog or the index
// changes: asking SQLite costs more than everything else when a small crate is served.
// Versions that are not held are looked up each time, and if a file has moved, openRow asks
// again.
type rows struct {
	recent.Map[rowKey, rowAt]
}

// rowKey identifies a request: certain bytes, or the current ones of a version.
type rowKey struct {
	crate.Key
	certain bool
}

type rowAt struct {
	*catalog.Version
	generation uint64 // of the view, before the row was read
}

func newRows() *rows { return &rows{recent.Map[rowKey, rowAt]{Most: mostRows}} }

// get returns a row at a generation. Callers must not change it.
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
