package index

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/indextest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/simreg"
)

// TestDifferences: what two commits have not alike is yielded in the order of paths,
// read from git whatever the working tree has.
func TestDifferences(t *testing.T) {
	u := indextest.NewUpstream(t, "foo 1.0.0\nbar 1.0.0\nserde 1.0.0")
	from := openIndex(t, u.Git, nil).revision
	u.Reg.Yank(crate.ID{Name: "foo", Version: "1.0.0"}, true)
	u.Reg.Remove(crate.ID{Name: "bar", Version: "1.0.0"})
	u.Reg.Add(simreg.MustParse("a 1.0.0\nserde-x 1.0.0")...)
	u.Squash()
	for kind, dir := range pastOf(t, u) {
		t.Run(kind, func(t *testing.T) {
			if kind == "checkout" {
				indextest.WriteFile(t, filepath.Join(dir, "3", "f", "foo"), "edited")
			}
			x := openIndex(t, dir, nil)
			for to, want := range map[Revision][]string{
				x.revision: {"1/a: nothing, 1/a [a 1.0.0 false]", "3/b/bar: 3/b/bar [bar 1.0.0 false], nothing",
					"3/f/foo: 3/f/foo [foo 1.0.0 false], 3/f/foo [foo 1.0.0 true]", "se/rd/serde-x: nothing, se/rd/serde-x [serde-x 1.0.0 false]"},
				from: nil,
			} {
				if diff := cmp.Diff(want, differences(t, x, from, to)); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
			}
		})
	}
	plain := openIndex(t, indextest.FolderOf(t, indextest.Tree{"3/f/foo": "x"}), nil)
	for _, err := range plain.Differences(t.Context(), Revision{}, Revision{}) {
		if err == nil || !strings.HasSuffix(err.Error(), ErrNoPast.Error()) {
			t.Errorf("a plain folder: %v", err)
		}
	}
}

// pastOf returns what a registry's index was and is, as it is read bare and in a
// checkout that has the objects of both.
func pastOf(t *testing.T, u *indextest.Upstream) map[string]string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "checkout")
	indextest.Git(t, t.TempDir(), "clone", "-q", "--shared", u.Git, dir)
	return map[string]string{"bare": u.Git, "checkout": dir}
}

func differences(t *testing.T, x *Index, from, to Revision) (got []string) {
	t.Helper()
	side := func(c *Crate) string {
		if c == nil {
			return "nothing"
		}
		var text bytes.Buffer
		fmt.Fprintf(&text, "%s ", c.Path)
		for _, e := range c.Entries {
			fmt.Fprintf(&text, "[%s %t]", e.ID, e.Yanked)
		}
		return text.String()
	}
	for d, err := range x.Differences(t.Context(), from, to) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprintf("%s: %s, %s", d.Path, side(d.Before), side(d.After)))
	}
	return got
}

// TestDifferencesOfAPartialClone: a content that git does not have is the fault of
// one file.
func TestDifferencesOfAPartialClone(t *testing.T) {
	tree := indextest.Tree{"3/f/foo": indextest.Line("foo", "1.0.0", indextest.Sum("a")), "3/b/bar": indextest.Line("bar", "1.0.0", indextest.Sum("b"))}
	dir := indextest.CheckoutOf(t, tree)
	before := openIndex(t, dir, nil).revision
	for path := range tree {
		tree[path] += "\n"
	}
	tree.Write(t, dir)
	indextest.Git(t, dir, "commit", "-q", "-a", "-m", "more")
	x := openIndex(t, dir, nil)
	blob := indextest.Git(t, dir, "rev-parse", "HEAD:3/f/foo")
	if err := os.Remove(filepath.Join(dir, ".git", "objects", blob[:2], blob[2:])); err != nil {
		t.Fatal(err)
	}
	n := 0
	for d, err := range x.Differences(t.Context(), before, x.revision) {
		if err != nil {
			t.Fatal(err)
		}
		n++
		if missing := d.Path == "3/f/foo"; (d.After.Err != nil) != missing || d.Before.Err != nil {
			t.Errorf("%s: %v", d.Path, d.After.Err)
		}
	}
	if n != 2 {
		t.Errorf("%d files differ, want 2", n)
	}
}
