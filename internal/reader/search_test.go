package reader

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// viewOf is a view that knows names alone.
func viewOf(shown ...string) *View {
	n := &names{}
	for _, s := range shown {
		n.list = append(n.list, name{searchKey(s), s})
	}
	slices.SortFunc(n.list, byKey)
	v := &View{}
	v.names.Store(n)
	return v
}

func TestSearch(t *testing.T) {
	v := viewOf("tokio-serde", "Serde", "serde_json", "serde-yaml", "serde_json_core", "erased-serde", "x", "serde-aux")
	for _, c := range []struct {
		query         string
		offset, limit int
		want          []string
		total         int
	}{
		{"serde", 0, 10, []string{"Serde", "serde-aux", "serde_json", "serde_json_core", "serde-yaml", "erased-serde", "tokio-serde"}, 7},
		{" SERDE-JSON ", 0, 10, []string{"serde_json", "serde_json_core"}, 2},
		{"serde", 2, 2, []string{"serde_json", "serde_json_core"}, 7},
		{"serde", 7, 2, []string{}, 7},
		{"serde", 99, 2, []string{}, 7},
		{"serde", -1, -1, []string{}, 7},
		{"nothing", 0, 10, nil, 0},
		{"", 0, 2, []string{"erased-serde", "Serde"}, 8},
		{"serde", 0, 1 << 62, []string{"Serde", "serde-aux", "serde_json", "serde_json_core", "serde-yaml", "erased-serde", "tokio-serde"}, 7},
		{"serde", 1 << 62, 1 << 62, []string{}, 7},
	} {
		got, total := v.Search(c.query, c.offset, c.limit)
		if !cmp.Equal(got, c.want) && len(got)+len(c.want) > 0 || total != c.total {
			t.Errorf("%q from %d: %q of %d; want %q of %d", c.query, c.offset, got, total, c.want, c.total)
		}
	}
}

func TestMerge(t *testing.T) {
	a, b := viewOf("b", "d", "D", "f").names.Load().list, viewOf("a", "c", "d-x", "g", "h").names.Load().list
	for range 2 {
		got := merge(a, b)
		if len(got) != 9 || !slices.IsSortedFunc(got, byKey) {
			t.Errorf("merged: %v", got)
		}
		a, b = b, a
	}
	if got := merge(nil, b); len(got) != len(b) {
		t.Errorf("with nothing: %v", got)
	}
}

// TestSearchOfALatePage: the pages before it take no memory, or who asks for many
// at once has all of it.
func TestSearchOfALatePage(t *testing.T) {
	v := viewOf(slices.Repeat([]string{"x"}, 100_000)...)
	// Slices grow by doubling: a few for the page, some twenty for all before it.
	if n := testing.AllocsPerRun(5, func() { v.Search("x", 90_000, 10) }); n > 10 {
		t.Errorf("a page of ten names takes %v allocations", n)
	}
}
