// Package dependants knows which crates depend on which, according to the index's lines for
// the newest version of each: the list "used by", and how many crates rely on one, which
// ranks search results. It also counts publications over time, if the index has them.
//
// # Updates
//
// When a server starts, it reads the whole index once, in the background; from then on only
// files that changed between two commits. An index in a plain folder, which has no record
// of changes, is read again every six hours.
//
// # Memory
//
// For each crate there is its name, a row of four-byte numbers for its dependencies, and
// one for its dependants. The index of 198,000 crates takes 55 MB (TestReal). A hostile
// index can have at most [maxDeps] dependencies per crate.
package dependants

import (
	"cmp"
	"slices"
	"strings"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/details"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/semver"
)

// maxDeps bounds the different dependencies of a crate: real ones have a few hundred at
// most.
const maxDeps = 2000

// A Graph says which crates depend on which. It is immutable.
type Graph struct {
	names  []string // by number
	number map[string]uint32
	needs  [][]edge // by number; nil: the index does not name the crate
	// used has the dependants of crate n from used[start[n]] to used[start[n+1]].
	start, used []uint32
	strong      []uint32      // how many dependants need it for more than their own tests
	months      map[month]int // see growth.total

	recent, reliedOn []Leader
}

// An edge is a dependency: the number of the crate, and whether it is only for development.
type edge uint32

func newEdge(to uint32, dev bool) edge {
	e := edge(to) << 1
	if dev {
		e |= 1
	}
	return e
}

func (e edge) to() uint32 { return uint32(e) >> 1 }
func (e edge) dev() bool  { return e&1 == 1 }

// Count returns how many crates depend on one, and how many of them for more than their own
// tests.
func (g *Graph) Count(name string) (all, strong int) {
	n, ok := g.find(name)
	if !ok {
		return 0, 0
	}
	return int(g.start[n+1] - g.start[n]), int(g.strong[n])
}

// Of returns up to limit dependants of a crate, from offset on, those on which most others
// rely first.
func (g *Graph) Of(name string, offset, limit int) (names []string) {
	n, ok := g.find(name)
	if !ok {
		return nil
	}
	all := g.used[g.start[n]:g.start[n+1]]
	for _, who := range all[min(max(offset, 0), len(all)):] {
		if len(names) == limit {
			break
		}
		names = append(names, g.names[who])
	}
	return names
}

// find returns the number of a crate. A nil Graph, before the index was read, has none.
func (g *Graph) find(name string) (uint32, bool) {
	if g == nil {
		return 0, false
	}
	n, ok := g.number[name]
	return n, ok
}

// Crates returns how many crates the index names.
func (g *Graph) Crates() (n int) {
	if g == nil {
		return 0
	}
	for _, needs := range g.needs {
		if needs != nil {
			n++
		}
	}
	return n
}

// A builder makes a Graph, from scratch or from the previous one.
type builder struct {
	names  []string
	number map[string]uint32
	needs  [][]edge
	growth growth
}

func newBuilder() *builder { return &builder{number: map[string]uint32{}, growth: newGrowth()} }

// numberOf returns the number of a name, and assigns one to a new name.
func (b *builder) numberOf(name string) uint32 {
	n, ok := b.number[name]
	if !ok {
		n = uint32(len(b.names))
		b.names, b.needs, b.number[name] = append(b.names, name), append(b.needs, nil), n
	}
	return n
}

// add replaces what is known of a crate with its index file. A file that cannot be read
// changes nothing.
func (b *builder) add(c *index.Crate) {
	if c.Err != nil || len(c.Entries) == 0 {
		return
	}
	newest := &c.Entries[0]
	for i := range c.Entries {
		if e := &c.Entries[i]; compare(e, newest) > 0 {
			newest = e
		}
	}
	n := b.numberOf(newest.Name)
	b.growth.add(n, c.Entries)
	d, err := details.Parse(newest.Raw)
	needs := make([]edge, 0, min(len(d.Deps), maxDeps))
	if err != nil {
		b.needs[n] = needs
		return
	}
	for i := range d.Deps {
		dep := &d.Deps[i]
		if dep.Registry == "" && crate.CheckName(dep.Crate()) == nil && len(needs) < maxDeps {
			needs = append(needs, newEdge(b.numberOf(dep.Crate()), dep.Kind == "dev"))
		}
	}
	b.needs[n] = once(needs)
}

// once keeps one of several edges to the same crate, preferably one that is not only for
// development.
func once(needs []edge) []edge {
	slices.Sort(needs) // those that are not only for development come first
	return slices.Clip(slices.CompactFunc(needs, func(a, b edge) bool { return a.to() == b.to() }))
}

// compare orders versions like [reader.CompareRank], which cannot be imported here.
func compare(a, b *index.Entry) int {
	weight := func(e *index.Entry) int {
		switch {
		case e.Yanked:
			return 0
		case crate.IsPrerelease(e.Version):
			return 1
		}
		return 2
	}
	return cmp.Or(cmp.Compare(weight(a), weight(b)), semver.CompareText(a.Version, b.Version))
}

// remove forgets the crate of a removed index file, whose path has its name in lower case.
// Others may still depend on it. It scans all names, since few crates are removed.
func (b *builder) remove(file string) {
	for n, name := range b.names {
		if strings.ToLower(name) == file {
			b.needs[n] = nil
			b.growth.remove(uint32(n))
		}
	}
}

// graph returns the current Graph. The builder may still be used.
func (b *builder) graph() *Graph {
	g := &Graph{names: slices.Clone(b.names), number: make(map[string]uint32, len(b.names)), needs: slices.Clone(b.needs), months: b.growth.total()}
	g.start, g.strong = make([]uint32, len(g.names)+1), make([]uint32, len(g.names))
	edges := 0
	for n, needs := range g.needs {
		g.number[g.names[n]] = uint32(n)
		edges += len(needs)
		for _, e := range needs {
			g.start[e.to()+1]++
			if !e.dev() {
				g.strong[e.to()]++
			}
		}
	}
	for n := range g.names {
		g.start[n+1] += g.start[n]
	}
	g.used = make([]uint32, edges)
	// The crate on which most others rely is added first, so that each list has that order.
	order := make([]uint32, len(g.names))
	for n := range order {
		order[n] = uint32(n)
	}
	slices.SortFunc(order, func(x, y uint32) int {
		return cmp.Or(cmp.Compare(g.strong[y], g.strong[x]), cmp.Compare(g.names[x], g.names[y]))
	})
	g.lead(order, b.growth.latest)
	next := slices.Clone(g.start[:len(g.names)])
	for _, who := range order {
		for _, e := range g.needs[who] {
			g.used[next[e.to()]] = who
			next[e.to()]++
		}
	}
	return g
}
