package reader

import (
	"cmp"
	"slices"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/semver"
)

// Newest returns the version that people are shown, as crates.io and cargo add
// choose it: one that is not yanked before one that is, a release before a
// pre-release, then the higher one.
func (c *Crate) Newest() *Entry {
	best := &c.Entries[0]
	for i := range c.Entries {
		if e := &c.Entries[i]; CompareRank(Rank{e.Yanked, e.Version}, Rank{best.Yanked, best.Version}) > 0 {
			best = e
		}
	}
	return best
}

// Rank is what decides which version is the newest.
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

// Best returns the version that cargo would take for a requirement, were it the only one:
// the newest that matches and is not yanked. Nil: there is none, or req cannot be parsed.
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
