package mirror

import (
	"context"
	"errors"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
)

// FromIndex makes a Source of an index. Checksums, which may be nil, replace
// those of the index.
func FromIndex(ix *index.Index, sums Checksums) Source { return indexSource{ix, sums} }

type indexSource struct {
	index *index.Index
	sums  Checksums
}

// Revision implements Source.
func (s indexSource) Revision() (catalog.Revision, bool) {
	return catalog.Revision{Commit: s.index.Commit(), Time: s.index.CommitTime()}, true
}

// Groups implements Source.
func (s indexSource) Groups(ctx context.Context, want func(path, blob string) bool, yield func(*Group) error) error {
	for c, err := range s.index.Crates(ctx, func(f index.File) bool { return want(f.Path, blobText(f.Blob)) }) {
		if err != nil {
			return err
		}
		if err := yield(s.group(c)); err != nil {
			return err
		}
	}
	return nil
}

// blobText is empty for a blob that is not known yet.
func blobText(b index.Blob) string {
	if b == (index.Blob{}) {
		return ""
	}
	return b.String()
}

func (s indexSource) group(c *index.Crate) *Group {
	g := &Group{Path: c.Path, Blob: blobText(c.Blob), Entries: make([]Entry, 0, len(c.Entries))}
	for i := range c.Entries {
		e := &c.Entries[i]
		sum := e.Checksum
		if other, ok := s.sums[e.ID]; ok {
			sum = other
		}
		g.Entries = append(g.Entries, Entry{ID: e.ID, Checksum: sum, Yanked: e.Yanked})
	}
	for _, bad := range c.Bad {
		g.Bad = append(g.Bad, BadEntry{ID: bad.ID, Err: bad})
	}
	if c.Err != nil {
		g.Bad = append(g.Bad, BadEntry{Err: c.Err})
	}
	return g
}

// Checksums are checksums from elsewhere than the index, by crate.
type Checksums map[crate.ID]crate.Checksum

// FromList makes a Source of a list of crates, in order of first appearance of
// their names.
func FromList(entries []Entry, bad []BadEntry) Source { return listSource{entries, bad} }

type listSource struct {
	entries []Entry
	bad     []BadEntry
}

// Revision implements Source.
func (listSource) Revision() (catalog.Revision, bool) { return catalog.Revision{}, false }

// Groups implements Source. A list has nothing that says it is unchanged, so
// every crate of it is looked at.
func (s listSource) Groups(ctx context.Context, want func(path, blob string) bool, yield func(*Group) error) error {
	if len(s.bad) > 0 {
		if err := yield(&Group{Bad: s.bad}); err != nil {
			return err
		}
	}
	for _, e := range s.entries {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		path := crate.IndexPath(e.Name)
		if err := yield(&Group{Path: path, Entries: []Entry{e}}); err != nil {
			return err
		}
	}
	return nil
}

var errNoChecksum = errors.New("no checksum is known, so nothing could prove the file: give it with -checksums, or the index with -index-dir")
