package reader

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

const (
	// tiny is the maximum size in bytes of a crate that is hashed whenever it is served,
	// unless it is on the shelf: that takes 3 µs, and depends on no clock.
	tiny = 4 << 10
	// small is the maximum size of a crate that is hashed while it is read into memory. A
	// larger one is read twice the first time. 98 % of all crates are small.
	small = 1 << 20
)

// prove returns content, or a copy of it in memory, if its bytes are correct.
func (c *copies) prove(ctx context.Context, content store.Content, row *catalog.Version) (store.Content, error) {
	if content.Size() != row.Size {
		return nil, fmt.Errorf("%s has %d bytes, want %d", row.ID, content.Size(), row.Size)
	}
	now := c.clock()
	id, err := content.Identity()
	if err != nil {
		return nil, err
	}
	if c.proven.has(row.Checksum, id, now) {
		if data := c.shelf.of(ctx, row); data != nil {
			return inMemory{bytes.NewReader(data), content}, nil
		}
		if row.Size > tiny {
			return content, nil
		}
	}
	if row.Size > small {
		return content, c.proveLarge(ctx, content, row, id)
	}
	data, err := readProven(content, row)
	if err != nil {
		return nil, err
	}
	keep := isForShelf(ctx, row)
	if keep {
		c.shelf.Put(row.Checksum, data)
	}
	if keep || row.Size > tiny {
		c.add(content, row, id, now)
	}
	return inMemory{bytes.NewReader(data), content}, nil
}

// A layer is content that can remember where its bytes are in a file, once they were
// verified in a state of the file, for later readers of that state.
type layer interface{ Lay(store.Identity) }

// add remembers that content is correct.
func (c *copies) add(content store.Content, row *catalog.Version, id store.Identity, now time.Time) {
	if !c.proven.add(row.Checksum, id, now) {
		return
	}
	if l, ok := content.(layer); ok {
		l.Lay(id)
	}
}

// readProven reads a small crate into memory and verifies it.
func readProven(content store.Content, row *catalog.Version) ([]byte, error) {
	data := make([]byte, row.Size)
	if _, err := io.ReadFull(content, data); err != nil {
		return nil, fmt.Errorf("reading %s: %w", row.ID, err)
	}
	return data, compare(row, sha256.Sum256(data))
}

// proveLarge verifies a large crate, once for all concurrent requests, so that a popular
// release is not read a hundred times. If the caller that hashes it leaves, another one
// begins.
func (c *copies) proveLarge(ctx context.Context, content store.Content, row *catalog.Version, id store.Identity) error {
	for {
		_, err, _ := c.hashing.Do(fmt.Sprint(row.Checksum, id), func() (any, error) {
			now := c.clock()
			if c.proven.has(row.Checksum, id, now) {
				return nil, nil // verified meanwhile
			}
			err := hash(ctx, content, row)
			if err == nil {
				c.add(content, row, id, now)
			}
			return nil, err
		})
		if ctx.Err() != nil || !isLeaving(err) {
			return err
		}
	}
}

// hash reads and verifies all of content, and rewinds it.
func hash(ctx context.Context, content store.Content, row *catalog.Version) error {
	sum, _, err := crate.Hash(store.Until(ctx, content))
	if err != nil {
		return fmt.Errorf("reading %s: %w", row.ID, cmp.Or(ctx.Err(), err))
	}
	if _, err := content.Seek(0, io.SeekStart); err != nil {
		return err
	}
	return compare(row, sum)
}

func compare(row *catalog.Version, sum crate.Checksum) error {
	if sum == row.Checksum {
		return nil
	}
	return &crate.ChecksumError{ID: row.ID, Want: row.Checksum, Got: sum, Size: row.Size}
}

// inMemory is a small crate that was read while it was hashed.
type inMemory struct {
	*bytes.Reader
	from store.Content
}

func (m inMemory) Close() error { return m.from.Close() }

func (m inMemory) Identity() (store.Identity, error) { return m.from.Identity() }
