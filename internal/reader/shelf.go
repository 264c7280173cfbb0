package reader

import (
	"bytes"
	"context"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/recent"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

const (
	// onShelf is the maximum size in bytes of a crate that is kept in memory: opening a
	// file and letting the kernel send so few bytes costs more than copying them.
	onShelf = 48 << 10
	// mostShelved is the total size of crates kept in memory, in bytes.
	mostShelved = 32 << 20
)

// A shelf keeps small crates in memory for clients, which request the same ones. Other
// callers, which read each crate once, neither fill nor use it: they may need the file.
//
// Its content is correct whatever happens to the file. It is only served while the file is
// unchanged since it was read, as for larger crates, so that a mirror that has lost a file
// says so.
type shelf struct {
	recent.Bytes[crate.Checksum]
}

func newShelf() *shelf { return &shelf{recent.Bytes[crate.Checksum]{Most: mostShelved}} }

// of returns the bytes of a version for a client, or nil if they are not there.
func (s *shelf) of(ctx context.Context, row *catalog.Version) []byte {
	if !isForShelf(ctx, row) {
		return nil
	}
	return s.Get(row.Checksum)
}

func isForShelf(ctx context.Context, row *catalog.Version) bool {
	return row.Size <= onShelf && store.Client(ctx) != ""
}

// shelved returns a crate from memory without opening its file, or nil if it must be
// opened.
func (c *copies) shelved(ctx context.Context, row *catalog.Version, at store.Placement) store.Content {
	data := c.shelf.of(ctx, row)
	if data == nil {
		return nil
	}
	id := c.stores.Now(row.Key(), at)
	if !c.proven.has(row.Checksum, id, c.clock()) {
		return nil
	}
	return onlyInMemory{bytes.NewReader(data), id}
}

// onlyInMemory is a small crate whose file is not open.
type onlyInMemory struct {
	*bytes.Reader
	id store.Identity
}

func (m onlyInMemory) Close() error { return nil }

func (m onlyInMemory) Identity() (store.Identity, error) { return m.id, nil }
