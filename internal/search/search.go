// Package search finds crates, for people and for cargo search, and ranks them: the name
// itself first, then names that begin with the query, have it as a word, or contain it, and
// then descriptions or keywords with all its words. Within these, crates that more crates
// rely on (package dependants) come first. "keyword:X" and "category:X" find crates with
// that label.
//
// # Cost
//
// The names of the mirror behind are in memory anyway. Descriptions and keywords are in
// crate files, and a mirror has millions of these, so they are only gathered if the
// operator wants that ([Texts]): from the newest version of each crate, in the background,
// on a fifth of a core. They take at most [maxText] bytes of memory per crate, and a query
// searches all of them: for 200,000 crates 41 MB, and 12 to 72 ms on an idle core (go test
// ./internal/search -run TestMeasure -v -measure).
package search

import (
	"cmp"
	"slices"
	"strings"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/dependants"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/reader"
)

// Mirror is a mirror with a ranked Search.
type Mirror struct {
	reader.Mirror
	needs *dependants.Watch // may be nil
	texts *Texts            // may be nil
}

// New returns m with a ranked search. Without dependants, or before they are known, only
// the names determine the rank; without texts, only names are searched.
func New(m reader.Mirror, needs *dependants.Watch, texts *Texts) *Mirror {
	return &Mirror{m, needs, texts}
}

// maxNames bounds the names that one query may find: more than any registry has.
const maxNames = 1 << 24

// Search implements [reader.Mirror].
func (m *Mirror) Search(query string, offset, limit int) (found []string, total int) {
	key := fold(strings.TrimSpace(query))
	if key == "" {
		return m.Mirror.Search(query, offset, limit)
	}
	words := strings.Fields(key)
	var names []string
	if !slices.ContainsFunc(words, isLabel) { // no name is a label
		names, _ = m.Mirror.Search(query, 0, maxNames)
	}
	b := best{most: max(0, offset) + max(0, limit), graph: m.needs.Graph()}
	seen := make(map[string]bool, len(names))
	for _, name := range names {
		seen[name] = true
		b.add(name, closeness(fold(name), key))
	}
	total = len(names)
	for _, name := range m.texts.find(words) {
		if !seen[name] && m.Holds(name) {
			b.add(name, inText)
			total++
		}
	}
	list := b.list()
	for _, h := range list[min(max(0, offset), len(list)):] {
		found = append(found, h.name)
	}
	return found, total
}

// fold returns the form of a name that is unique on crates.io.
func fold(s string) string { return strings.ReplaceAll(strings.ToLower(s), "_", "-") }

// Kinds of matches.
const (
	inText = iota // only in the description
	inside
	word
	prefix
	exact
)

func closeness(name, key string) int {
	switch {
	case name == key:
		return exact
	case strings.HasPrefix(name, key):
		return prefix
	}
	if slices.Contains(strings.Split(name, "-"), key) {
		return word
	}
	return inside
}

// weights is how much a dependant counts by the kind of match: an unused crate is rarely
// wanted, whatever its name.
var weights = [...]int{inText: 1, inside: 2, word: 6, prefix: 8}

// A hit is a found crate.
type hit struct {
	name  string
	exact bool
	score int
}

// compare orders hits, the best first.
func compare(a, b hit) int {
	if a.exact != b.exact {
		return map[bool]int{true: -1, false: 1}[a.exact]
	}
	return cmp.Or(cmp.Compare(b.score, a.score), cmp.Compare(len(a.name), len(b.name)), strings.Compare(a.name, b.name))
}

// best keeps the best of many hits, as many as are wanted.
type best struct {
	graph *dependants.Graph
	most  int
	hits  []hit
}

func (b *best) add(name string, close int) {
	_, strong := b.graph.Count(name)
	h := hit{name: name, exact: close == exact}
	if !h.exact {
		h.score = weights[close] * (strong + 1)
	}
	if b.hits = append(b.hits, h); len(b.hits) >= 2*b.most+64 {
		b.cut()
	}
}

func (b *best) cut() {
	slices.SortFunc(b.hits, compare)
	b.hits = b.hits[:min(len(b.hits), b.most)]
}

func (b *best) list() []hit {
	b.cut()
	return b.hits
}
