package plan

import (
	"context"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
)

// A Choice is the part of an index that a user wants.
type Choice interface {
	// Crate reports whether versions of the crate with this index file are
	// wanted, or what is wrong with the file.
	Crate(path string) bool
	// Entries reports for each of c.Entries whether it is wanted.
	Entries(c *index.Crate) []bool
}

// FromChoice makes a Source from a part of an index; sums as for FromIndex. bad has what
// the user asked for in vain.
//
// Such a run does not claim to have seen the whole index: it concludes nothing about
// unwanted crates and marks none complete, so that a run over the whole index looks at each
// of them.
func FromChoice(ix *index.Index, sums Checksums, choice Choice, bad []BadEntry) Source {
	return chosenSource{indexSource{index: ix, sums: sums}, choice, bad}
}

type chosenSource struct {
	indexSource
	choice Choice
	bad    []BadEntry
}

// Revision implements Source.
func (s chosenSource) Revision() (catalog.Revision, Scope) {
	rev, _ := s.indexSource.Revision()
	return rev, Some
}

// Groups implements Source. The blob id of an index file says nothing about its wanted
// part, so every crate is looked at.
func (s chosenSource) Groups(ctx context.Context, want Want, yield func(*Group) error) error {
	if len(s.bad) > 0 {
		if err := yield(&Group{Bad: s.bad}); err != nil {
			return err
		}
	}
	wanted := func(f index.File) bool {
		if !s.choice.Crate(f.Path) {
			return false
		}
		read, _ := want(f.Path, "")
		return read
	}
	for c, err := range s.index.Crates(ctx, wanted) {
		if err != nil {
			return err
		}
		if !s.choice.Crate(c.Path) { // unreadable crates come without being asked for
			continue
		}
		g := s.group(c)
		g.Blob, g.Chosen = "", s.choice.Entries(c)
		if err := yield(g); err != nil {
			return err
		}
	}
	return nil
}
