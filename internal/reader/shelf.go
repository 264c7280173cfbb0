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
	// onShelf is the size in bytes up to which a crate is kept in memory: to open a
	// file and have the kernel send so few from it costs more than to copy them.
	onShelf = 48 << 10
	// mostShelved is how many bytes of crates are kept in memory.
	mostShelved = 32 << 20
)

// A shelf keeps small crates in memory for clients, who ask for the same ones. Others,
// who read each crate once, neither fill it nor take from it: they may want its file.
//
// What is on it is right whatever becomes of the file. It is given out only while the
// file is as it was when it was read, as larger crates are: a mirror that has lost a file
// says so.
type shelf struct {
	recent.Bytes[crate.Checksum]
}

func newShelf() *shelf { return &shelf{recent.Bytes[crate.Checksum]{Most: mostShelved}} }

// of returns the bytes of a version for a client, nil if they are not there.
func (s *shelf) of(ctx context.Context, row *catalog.Version) []byte {
	if !isForShelf(ctx, row) {
		return nil
	}
	return s.Get(row.Checksum)
}

func isForShelf(ctx context.Context, row *catalog.Version) bool {
	return row.Size <= onShelf && store.Client(ctx) != ""
}

// shelved returns a crate from memory without opening its file; nil if that must be
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
