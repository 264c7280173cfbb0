package reader

import (
	"cmp"
	"slices"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/semver"
)

// Newest returns the version to show to people, as crates.io and cargo add choose it: first
// unyanked versions, then releases, then the highest.
func (c *Crate) Newest() *Entry {
	best := &c.Entries[0]
	for i := range c.Entries {
		if e := &c.Entries[i]; CompareRank(Rank{e.Yanked, e.Version}, Rank{best.Yanked, best.Version}) > 0 {
			best = e
		}
	}
	return best
}

// Rank is what determines the newest version.
type Rank struct {
	Yanked  bool
	Version string
}

// CompareRank orders versions as [Crate.Newest] does, the newest last.
func CompareRank(a, b Rank) int {
	return cmp.Or(
		compareFlags(b.Yanked, a.Yanked),
		compareFlags(crate.IsPrerelease(b.Version), crate.IsPrerelease(a.Version)),
		semver.CompareText(a.Version, b.Version),
	)
}

// compareFlags orders false before true.
func compareFlags(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// Best returns the version that cargo would choose for a single requirement: the newest one
// that matches and is not yanked. It returns nil if there is none, or req is invalid.
func (c *Crate) Best(req string) *Entry {
	want, err := semver.ParseReq(req)
	if err != nil {
		return nil
	}
	var best *Entry
	for i := range c.Entries {
		e := &c.Entries[i]
		v, err := semver.Parse(e.Version)
		if err == nil && !e.Yanked && want.Matches(v) && (best == nil || semver.CompareText(e.Version, best.Version) > 0) {
			best = e
		}
	}
	return best
}

// NewestFirst returns the entries with the highest version first.
func (c *Crate) NewestFirst() []Entry {
	sorted := slices.Clone(c.Entries)
	slices.SortStableFunc(sorted, func(a, b Entry) int { return semver.CompareText(b.Version, a.Version) })
	return sorted
}
