package plan

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
)

// ErrNothingStored means that no bytes of a version are stored, so none are in the way.
var ErrNothingStored = fmt.Errorf("no bytes of it are stored: %w", fs.ErrNotExist)

// Accept records in a catalog that the next run may replace a version's bytes by those that
// the index names, which must be sum unless that is nil. It returns their checksum and that
// of the stored bytes. Errors: ErrNothingStored.
func Accept(ctx context.Context, ix *index.Index, path string, id crate.ID, sum *crate.Checksum) (named, stored crate.Checksum, err error) {
	named, err = namedBy(ctx, ix, id, sum)
	if err != nil {
		return named, stored, fmt.Errorf("accepting %s: %w", id, err)
	}
	cat, err := catalog.Open(path)
	if err != nil {
		return named, stored, err
	}
	defer func() { err = errors.Join(err, cat.Close()) }()
	held, err := inTheWay(ctx, cat, id)
	switch {
	case err != nil:
		return named, stored, err
	case held.Checksum == named:
		return named, stored, fmt.Errorf("accepting %s: it has the bytes that the index names already: there is nothing to accept", id)
	}
	return named, held.Checksum, cat.Commit(ctx, catalog.Batch{Accepted: []crate.Key{{ID: id, Checksum: named}}})
}

// inTheWay returns the row of a version's bytes and ignores the case of its name, because
// crates.io does not distinguish names by case. Errors: ErrNothingStored.
func inTheWay(ctx context.Context, cat *catalog.Catalog, id crate.ID) (held catalog.Version, err error) {
	rows, err := cat.BytesOf(ctx, id)
	found := false
	for _, v := range rows {
		if v.SupersededAt.IsZero() && (!found || v.VerifiedAt.After(held.VerifiedAt)) {
			held, found = v, true
		}
	}
	if err == nil && !found {
		err = ErrNothingStored
	}
	return held, err
}

// namedBy returns the checksum that the index names, which must be sum unless that is
// nil.
func namedBy(ctx context.Context, ix *index.Index, id crate.ID, sum *crate.Checksum) (named crate.Checksum, err error) {
	lookup := ix.NewLookup(ctx)
	defer func() { err = errors.Join(err, lookup.Close()) }()
	c, err := lookup.Crate(ctx, id.Name)
	if errors.Is(err, fs.ErrNotExist) {
		return named, errors.New("the index has no such crate")
	}
	if err != nil {
		return named, err
	}
	i := slices.IndexFunc(c.Entries, func(e index.Entry) bool { return e.ID == id })
	if i < 0 {
		return named, errors.New("the index does not name this version")
	}
	named = c.Entries[i].Checksum
	if sum != nil && *sum != named {
		return named, fmt.Errorf("the index names checksum %s, not %s", named, sum)
	}
	return named, nil
}
