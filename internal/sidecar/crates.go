package sidecar

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"syscall"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/cargotoml"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

// Crates is a mirror in whose crates the run looks for Cargo.toml files.
type Crates struct {
	Store   store.Reader
	Catalog Catalog // says which bundle a crate is in; nil: all are loose
}

// Catalog is the part of the mirror's catalog that a run uses. A sync may be writing it.
type Catalog interface {
	Versions(ctx context.Context, name string) ([]catalog.Version, error)
}

// held returns where the crates of an index file are stored, except loose ones.
func (c *Crates) held(ctx context.Context, from *index.Crate) (map[crate.ID]store.Placement, error) {
	if c == nil || c.Catalog == nil || len(from.Entries) == 0 {
		return nil, nil
	}
	versions, err := c.Catalog.Versions(ctx, from.Entries[0].Name)
	if err != nil {
		return nil, err
	}
	held := map[crate.ID]store.Placement{}
	for _, v := range versions {
		if !v.Loose && v.SupersededAt.IsZero() {
			held[v.ID] = v.Placement
		}
	}
	return held, nil
}

// look reads the crate of a record. A problem of the crate becomes part of the sidecar. A
// problem of this machine costs the sidecar, because then nothing is known about the crate.
func (c *Crates) look(ctx context.Context, rec *record) {
	if c == nil {
		return
	}
	said, err := c.inspect(ctx, rec)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case errors.As(err, new(syscall.Errno)):
		rec.err = err
	case err != nil:
		rec.unreadable = err
	default:
		rec.said = said
	}
}

// manifest returns the field of that name, or nil if the record has none.
func (rec *record) manifest() any {
	switch {
	case rec.unreadable != nil:
		return struct {
			Unreadable string `json:"unreadable"`
		}{rec.unreadable.Error()}
	case rec.said != nil:
		return rec.said
	}
	return nil
}

// inspect reads the crate of a record to its end, and ignores its content unless its bytes
// are those that the index names.
func (c *Crates) inspect(ctx context.Context, rec *record) (*cargotoml.Contents, error) {
	f, err := c.Store.Open(ctx, crate.Key{ID: rec.ID, Checksum: rec.sum}, rec.at)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	h := sha256.New()
	all := io.TeeReader(f, h)
	said, bad := cargotoml.Inspect(all, rec.ID, f.Size())
	if _, err := io.Copy(io.Discard, all); err != nil {
		return nil, fmt.Errorf("reading the crate: %w", err)
	}
	var got crate.Checksum
	if h.Sum(got[:0]); got != rec.sum {
		return nil, &crate.ChecksumError{ID: rec.ID, Want: rec.sum, Got: got, Size: f.Size()}
	}
	return said, bad
}
