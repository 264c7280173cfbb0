package index

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/indextest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/simreg"
)

// TestChanges compares an index with what it was.
func TestChanges(t *testing.T) {
	u := indextest.NewUpstream(t, "foo 1.0.0\nbar 1.0.0\nserde 1.0.0\nold 1.0.0\nlate 1.0.0")
	first := openIndex(t, u.Git, nil).Commit()
	u.Reg.Add(simreg.MustParse("foo 1.1.0\nnew 1.0.0")...)
	u.Reg.Remove(crate.ID{Name: "old", Version: "1.0.0"})
	u.Squash()
	for kind, dir := range pastOf(t, u) {
		t.Run(kind, func(t *testing.T) {
			x := openIndex(t, dir, nil)
			changed, gone, err := x.Changes(t.Context(), first, []string{"la/te/late", "3/f/foo", "ab/se/absent"})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for c, err := range changed.Crates(t.Context(), nil) {
				if err != nil || c.Err != nil {
					t.Fatal(err, c.Err)
				}
				got = append(got, fmt.Sprintf("%s %d", c.Path, len(c.Entries)))
			}
			if diff := cmp.Diff([]string{"3/f/foo 2", "3/n/new 1", "la/te/late 1"}, got); diff != "" {
				t.Errorf("changed (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff([]string{"3/o/old"}, gone); diff != "" {
				t.Errorf("gone (-want +got):\n%s", diff)
			}
			if _, _, err := x.Changes(t.Context(), strings.Repeat("1", 40), nil); err == nil {
				t.Error("no error for a commit that is not there")
			}
		})
	}
}
