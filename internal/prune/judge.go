package prune

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
)

// judge decides what is removed: what neither catalog nor index wants.
type judge struct {
	names    *index.Lookup // nil: nothing is removed
	unwanted catalog.Unwanted
	last     *index.Crate // the last one looked up
}

// goes reports whether the bytes of a row are removed.
func (j *judge) goes(ctx context.Context, v *catalog.Version) (bool, error) {
	if j.names == nil || !j.unwanted.Has(v) {
		return false, nil
	}
	c, err := j.crate(ctx, v.Name)
	if err != nil {
		return false, err
	}
	i := slices.IndexFunc(c.Entries, func(e index.Entry) bool { return e.Version == v.Version })
	switch {
	case i < 0:
		return true, nil
	case !v.SupersededAt.IsZero():
		return c.Entries[i].Checksum != v.Checksum, nil
	}
	return c.Entries[i].Yanked && j.unwanted.Yanked, nil
}

// unnamed returns the versions of a page that are removed.
func (j *judge) unnamed(ctx context.Context, page []catalog.Version) (sure []catalog.Version, err error) {
	for i := range page {
		goes, err := j.goes(ctx, &page[i])
		if err != nil {
			return nil, err
		}
		if goes {
			sure = append(sure, page[i])
		}
	}
	return sure, nil
}

// crate reads a crate of the index; an absent one has no entries.
func (j *judge) crate(ctx context.Context, name string) (*index.Crate, error) {
	if j.last != nil && strings.EqualFold(j.last.Path, crate.IndexPath(name)) {
		return j.last, nil
	}
	c, err := j.names.Crate(ctx, name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		c = &index.Crate{File: index.File{Path: crate.IndexPath(name)}}
	case err != nil:
		return nil, err
	case c.Err != nil || len(c.Bad) > 0:
		return nil, fmt.Errorf("the index cannot be read in full: %s", c.Path)
	}
	j.last = c
	return c, nil
}
