package reader

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
)

// TestNewest: one rule for the API, the pages and whatever else names a version.
func TestNewest(t *testing.T) {
	for _, tt := range []struct {
		newest   string
		versions string // the highest first; a "!" marks a yanked one
	}{
		{"1.10.0", "1.10.0 1.9.0 1.2.0"},
		{"1.10.0", "2.0.0-beta.11 2.0.0-beta.2 1.10.0 1.9.0 1.9.0-rc.1"},
		{"1.0.0", "2.0.0-rc.1 1.0.0"},
		{"1.0.0", "!2.0.0 1.0.0"},
		{"0.1.0-alpha", "!0.1.0 0.1.0-alpha"},
		{"2.0.0-rc.10", "!3.0.0 2.0.0-rc.10 2.0.0-rc.2"},
		{"2.0.0", "!3.0.0-a !2.0.0 !1.0.0"},
		{"1.0.0", "!2.0.0-rc.1 !1.0.0"},
		{"0.0.1+5", "0.0.1+5 0.0.1+4"},
		{"0.0.1+10", "0.0.1+10 0.0.1+9"},
		{"1.0.0+b", "1.0.0+b 1.0.0+a 1.0.0"},
		{"1.0.0", "1.0.0 99999999999999999999.0.0"}, // which cargo cannot read
	} {
		want := strings.Fields(strings.ReplaceAll(tt.versions, "!", ""))
		var c Crate
		for v := range strings.FieldsSeq(tt.versions) {
			plain := strings.TrimPrefix(v, "!")
			c.Entries = append(c.Entries, Entry{Entry: index.Entry{ID: crate.ID{Name: "x", Version: plain}, Yanked: plain != v}})
		}
		for range 2 { // in any order of lines
			if got := c.Newest().Version; got != tt.newest {
				t.Errorf("of %s the newest is %s, want %s", tt.versions, got, tt.newest)
			}
			var got []string
			for _, e := range c.NewestFirst() {
				got = append(got, e.Version)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("order (-want +got):\n%s", diff)
			}
			slices.Reverse(c.Entries)
		}
	}
}

// TestBest: what a requirement comes to, in any order of lines.
func TestBest(t *testing.T) {
	for _, tt := range []struct{ req, versions, want string }{
		{"^1.2", "1.1.0 1.2.0 1.10.0 1.9.0 2.0.0", "1.10.0"},
		{"^1", "1.0.0 !1.1.0 1.2.0-rc.1", "1.0.0"},
		{"=1.0.0", "1.0.0+b 1.0.0+a", "1.0.0+b"},
		{">=0.52, <0.62", "0.51.0 0.61.2 0.62.0", "0.61.2"},
		{"*", "0.1.0 3.0.0", "3.0.0"},
		{"^4", "1.0.0", ""},
		{"^1", "!1.0.0", ""},
		{"not one", "1.0.0", ""},
		{"^1", "99999999999999999999.0.0 1.0.0", "1.0.0"},
	} {
		var c Crate
		for v := range strings.FieldsSeq(tt.versions) {
			plain := strings.TrimPrefix(v, "!")
			c.Entries = append(c.Entries, Entry{Entry: index.Entry{ID: crate.ID{Name: "x", Version: plain}, Yanked: plain != v}})
		}
		for range 2 {
			got := ""
			if e := c.Best(tt.req); e != nil {
				got = e.Version
			}
			if got != tt.want {
				t.Errorf("%s of %s: %q, want %q", tt.req, tt.versions, got, tt.want)
			}
			slices.Reverse(c.Entries)
		}
	}
}
