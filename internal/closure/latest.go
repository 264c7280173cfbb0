package closure

import (
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
)

// Latest selects the newest versions of every crate: releases, or pre-releases if there is
// no release. It needs no memory per crate.
type Latest struct {
	N      int  // how many, at least 1
	Yanked bool // also yanked versions that are newer than the last of these
}

// Crate selects every crate.
func (l Latest) Crate(string) bool { return true }

// Entries reports which of c.Entries are selected.
func (l Latest) Entries(c *index.Crate) []bool {
	comp := computation{opt: Options{Latest: l.N, Yanked: l.Yanked}}
	n := &node{versions: versions(c)}
	picks, _ := comp.pick(n, &demand{}, nil) // reads nothing, so it cannot fail
	chosen := make(map[crate.ID]bool, len(picks))
	for _, v := range picks {
		chosen[v.ID] = true
	}
	wanted := make([]bool, len(c.Entries))
	for i := range c.Entries {
		wanted[i] = chosen[c.Entries[i].ID]
	}
	return wanted
}
