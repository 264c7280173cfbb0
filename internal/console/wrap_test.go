package console

import (
	"strings"
	"testing"
)

// TestWrap: lines are broken at spaces, and continue below their text; those that are too
// narrow or too long for that stay as they are.
func TestWrap(t *testing.T) {
	for _, c := range []struct {
		name, write, want string
		columns           int
	}{
		{"a sentence", "Reading the bundles from end to end, and checking every crate\n", "Reading the bundles from end to end, and\nchecking every crate\n", 40},
		{"of a table", "ok       fetch    cargo resolves and fetches a 1.0.0 and b\n", "ok       fetch    cargo resolves and\n                  fetches a 1.0.0 and b\n", 40},
		{"of a list", "         319  held already, hashed once more again\n", "         319  held already, hashed once\n              more again\n", 40},
		{"a long word", "https://example.org/a/path/that/is/longer/than/a/line\n", "https://example.org/a/path/that/is/longer/than/a/line\n", 40},
		{"short lines", "a\n\nb\n", "a\n\nb\n", 40},
		{"narrow", "more than twenty columns wide\n", "more than twenty columns wide\n", 20},
		{"no size", "more than twenty columns wide\n", "more than twenty columns wide\n", 0},
	} {
		var out strings.Builder
		w := &wrapped{to: &out, columns: func() int { return c.columns }}
		for _, b := range []byte(c.write) { // in parts
			if n, err := w.Write([]byte{b}); n != 1 || err != nil {
				t.Fatal(n, err)
			}
		}
		if out.String() != c.want {
			t.Errorf("%s: %q, want %q", c.name, out.String(), c.want)
		}
	}
}
