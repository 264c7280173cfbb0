package trees_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/git"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/indextest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/trees"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/simreg"
)

// At first all files count as changed; then those that are new, others, or gone; after a
// squash, too; and all of them if what is kept is lost. Contents stay where they are.
func TestChanged(t *testing.T) {
	indextest.NeedGit(t)
	dir := t.TempDir()
	up := filepath.Join(dir, "up.git")
	reg := simreg.New(simreg.MustParse("foo 1.0.0\nbar 1.0.0\nbaz 1.0.0")...)
	commit := func(how func() (string, error)) string {
		t.Helper()
		id, err := how()
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	update := func() (string, error) { return reg.CommitIndex(t.Context(), up, "an update") }
	squash := func() (string, error) { return reg.Squash(t.Context(), up) }
	first := commit(update)
	indextest.Git(t, up, "config", "uploadpack.allowFilter", "true")
	lock, err := durable.Lock(filepath.Join(dir, "lock"), durable.Self("a test"))
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Release()
	src := &trees.Source{Dir: filepath.Join(dir, "kept"), URL: "file://" + up, Work: &git.Porcelain{Dir: dir, Lock: lock}}
	changed := func(since, want string, paths ...string) {
		t.Helper()
		var got []string
		commit, err := src.Changed(t.Context(), since, func(path string, blob git.ID) error {
			if blob == (git.ID{}) {
				path = "-" + path
			} else if is := indextest.Git(t, up, "rev-parse", "HEAD:"+path); is != blob.String() {
				t.Errorf("%s is %s, want %s", path, blob, is)
			}
			got = append(got, path)
			return nil
		})
		if slices.Sort(got); err != nil || commit != want || !slices.Equal(got, paths) {
			t.Errorf("since %.7s: %v at %.7s, %v; want %v at %.7s", since, got, commit, err, paths, want)
		}
	}
	changed("", first, "3/b/bar", "3/b/baz", "3/f/foo")
	changed(first, first)
	if n := indextest.Git(t, src.Dir, "cat-file", "--batch-all-objects", "--batch-check=%(objecttype)"); strings.Contains(n, "blob") {
		t.Errorf("contents were fetched: %q", n)
	}
	reg.Yank(crate.ID{Name: "foo", Version: "1.0.0"}, true)
	reg.Add(simreg.MustParse("new 1.0.0")...)
	reg.Remove(crate.ID{Name: "baz", Version: "1.0.0"})
	second := commit(update)
	changed(first, second, "-3/b/baz", "3/f/foo", "3/n/new")
	changed(first, second, "-3/b/baz", "3/f/foo", "3/n/new") // the caller was killed before
	third := commit(squash)
	reg.Add(simreg.MustParse("new 1.1.0")...)
	fourth := commit(update)
	changed(second, fourth, "3/n/new")
	if err := os.RemoveAll(src.Dir); err != nil {
		t.Fatal(err)
	}
	changed(third, fourth, "3/b/bar", "3/f/foo", "3/n/new")
}
