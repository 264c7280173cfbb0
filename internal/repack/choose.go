package repack

import (
	"cmp"
	"slices"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/deep"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/reader"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/semver"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

// smallPack is the maximum number of versions of a pack that is merged with new versions,
// and growth the maximum ratio of its size to theirs: so each version is packed only a few
// times in all, however many follow it.
const (
	smallPack = deep.MaxVersions / 2
	growth    = 4
)

// choose returns the rows of a crate to pack, oldest first, and how many of them are
// already in the deep archive. If fewer than atLeast are not, it returns none. Versions in
// sparse segments count as not being there.
func choose(rows []catalog.Version, atLeast int, sparse map[string]bool) (chosen []catalog.Version, merged int) {
	var others []catalog.Version
	fresh := 0
	for _, v := range rows {
		switch {
		case v.Deep.Segment == "":
			fresh++
			chosen = append(chosen, v)
		case sparse[v.Deep.Segment]:
			chosen = append(chosen, v)
			merged++
		default:
			others = append(others, v)
		}
	}
	if merged == 0 && fresh < atLeast {
		return nil, 0
	}
	for _, pack := range byPack(others) {
		if len(pack) > smallPack || len(pack) > growth*len(chosen) {
			break
		}
		chosen = append(chosen, pack...)
		merged += len(pack)
	}
	slices.SortFunc(chosen, older)
	return chosen, merged
}

// byPack groups rows by their pack, the smallest group first.
func byPack(rows []catalog.Version) [][]catalog.Version {
	packs := map[store.DeepPlace][]catalog.Version{}
	for _, v := range rows {
		at := v.Deep
		at.Number = 0
		packs[at] = append(packs[at], v)
	}
	list := make([][]catalog.Version, 0, len(packs))
	for _, pack := range packs {
		list = append(list, pack)
	}
	slices.SortFunc(list, func(a, b []catalog.Version) int {
		return cmp.Or(cmp.Compare(len(a), len(b)), older(a[0], b[0]))
	})
	return list
}

// older orders the rows of a crate. Their time of publication is unknown; the order of
// versions is close enough.
func older(a, b catalog.Version) int {
	return cmp.Or(semver.CompareText(a.ID.Version, b.ID.Version), cmp.Compare(a.ID.Version, b.ID.Version), slices.Compare(a.Checksum[:], b.Checksum[:]))
}

// newest returns the index of the newest version of a crate, or -1: the version that a
// build resolves to today. Yanked versions and pre-releases count only if there are no
// others.
func newest(rows []catalog.Version) int {
	best := -1
	for n := range rows {
		v := &rows[n]
		if !v.SupersededAt.IsZero() || !v.Listed {
			continue
		}
		if best < 0 || reader.CompareRank(rank(v), rank(&rows[best])) > 0 {
			best = n
		}
	}
	return best
}

func rank(v *catalog.Version) reader.Rank {
	return reader.Rank{Yanked: v.Yanked, Version: v.ID.Version}
}
