package closure

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
)

// A Set is the selected versions.
type Set struct {
	Versions int // how many
	Crates   int // their crates
	// Problems are requests that are not in the set.
	Problems []Problem
	// Unmet are dependencies of selected versions that no version in the whole index
	// satisfies: cargo cannot use the versions that lead to them.
	Unmet []error

	chosen map[string]map[crate.ID]bool // by index path
}

// A Problem is a request that cannot be fulfilled.
type Problem struct {
	crate.ID // as far as it is known
	Err      error
	Violated bool // it exists, but with another checksum
}

// Crate reports whether versions of the crate with this index file were selected, or could
// not be because the file cannot be read.
func (s *Set) Crate(path string) bool { return s.chosen[path] != nil }

// Entries reports which of c.Entries were selected.
func (s *Set) Entries(c *index.Crate) []bool {
	chosen := make([]bool, len(c.Entries))
	for i := range c.Entries {
		chosen[i] = s.chosen[c.Path][c.Entries[i].ID]
	}
	return chosen
}

func (c *computation) result() *Set {
	s := &Set{chosen: map[string]map[crate.ID]bool{}}
	told := map[*demand]bool{}
	for _, n := range c.inOrder() {
		s.add(n)
		for _, v := range n.versions {
			if v.taken && v.pkg != nil {
				s.Unmet = append(s.Unmet, v.pkg.complaints(told)...)
			}
		}
	}
	for _, d := range c.roots {
		if !d.served() {
			s.Problems = append(s.Problems, Problem{ID: crate.ID{Name: d.crate.name}, Err: fmt.Errorf("%s: %w", d.where, d.unmet())})
		}
	}
	return s
}

// served reports whether a root gets what it requests: a version that cargo could use, or a
// yanked version if those are wanted. The run that reads the index reports unreadable
// files.
func (d *demand) served() bool {
	unreadable := d.crate.err != nil && !errors.Is(d.crate.err, fs.ErrNotExist)
	return unreadable || d.met() || slices.ContainsFunc(d.picks, func(v *version) bool { return v.yanked })
}

func (s *Set) add(n *node) {
	s.Problems = append(s.Problems, n.problems...)
	if errors.Is(n.err, fs.ErrNotExist) {
		return
	}
	chosen := map[crate.ID]bool{}
	for _, v := range n.versions {
		if v.taken {
			chosen[v.ID] = true
		}
	}
	if len(chosen) == 0 && n.err == nil {
		return
	}
	s.chosen[crate.IndexPath(n.name)] = chosen
	s.Crates++
	s.Versions += len(chosen)
}

// complaints returns the dependencies in use that cannot be met. A demand that many share
// is reported once.
func (p *pkg) complaints(told map[*demand]bool) (list []error) {
	for _, e := range p.edges {
		switch {
		case !e.enabled:
		case e.foreign != "":
			list = append(list, fmt.Errorf("%s needs %s %s of another registry, %s, which is not mirrored", e.of, e.name, e.text, e.foreign))
		case e.demand != nil && !told[e.demand] && !e.demand.met():
			told[e.demand] = true
			list = append(list, fmt.Errorf("%s needs %w", e.of, e.demand.unmet()))
		}
	}
	return list
}
