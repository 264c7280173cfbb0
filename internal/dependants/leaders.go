package dependants

import (
	"cmp"
	"slices"
	"time"
)

// maxLeaders is how many crates a Graph remembers per ranking.
const maxLeaders = 64

// A Leader is a crate at the top of a ranking.
type Leader struct {
	Name      string
	Published time.Time // last publication; zero: unknown
	Used      int       // how many crates need it for more than their own tests
}

// Recent returns up to limit crates with the latest publications, the latest first, of
// those for which has returns true.
func (g *Graph) Recent(limit int, has func(name string) bool) []Leader {
	if g == nil {
		return nil
	}
	return some(g.recent, limit, has)
}

// ReliedOn returns up to limit crates on which most others rely, of those for which has
// returns true.
func (g *Graph) ReliedOn(limit int, has func(name string) bool) []Leader {
	if g == nil {
		return nil
	}
	return some(g.reliedOn, limit, has)
}

func some(list []Leader, limit int, has func(name string) bool) (chosen []Leader) {
	for _, l := range list {
		if len(chosen) < limit && has(l.Name) {
			chosen = append(chosen, l)
		}
	}
	return chosen
}

// lead finds the leaders, given all crates sorted by how many rely on them.
func (g *Graph) lead(order []uint32, latest map[uint32]time.Time) {
	leader := func(n uint32) Leader { return Leader{g.names[n], latest[n], int(g.strong[n])} }
	for _, n := range order[:min(len(order), maxLeaders)] {
		if g.strong[n] > 0 {
			g.reliedOn = append(g.reliedOn, leader(n))
		}
	}
	newest := func(a, b Leader) int { return cmp.Or(b.Published.Compare(a.Published), cmp.Compare(a.Name, b.Name)) }
	for n := range latest {
		l := leader(n)
		at, _ := slices.BinarySearchFunc(g.recent, l, newest)
		if at == maxLeaders {
			continue
		}
		g.recent = slices.Insert(g.recent, at, l)
		g.recent = g.recent[:min(len(g.recent), maxLeaders)]
	}
}
