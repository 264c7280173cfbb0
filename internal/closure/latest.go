package closure

import (
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
)

// Latest chooses the newest versions of every crate: releases, or pre-releases
// where there is nothing else. It holds nothing in memory.
type Latest struct {
	N      int  // so many, at least 1
	Yanked bool // and those that are yanked and newer than the last of these
}

// Crate takes every crate.
func (l Latest) Crate(string) bool { return true }

// Entries says which of c.Entries are chosen.
func (l Latest) Entries(c *index.Crate) []bool {
	comp := computation{opt: Options{Latest: l.N, Yanked: l.Yanked}}
	n := &node{versions: versions(c)}
	picks, _ := comp.pick(n, &demand{}, nil) // reads nothing, so nothing fails
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
