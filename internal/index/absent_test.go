package index

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/indextest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/simreg"
)

// TestAbsentSince: a version that was deleted and published again was absent in
// between, whatever became of the history that shows it.
func TestAbsentSince(t *testing.T) {
	id := crate.ID{Name: "Foo", Version: "1.0.0"}
	for name, test := range map[string]struct {
		vanish func(u *indextest.Upstream) string // the commit without it
		want   bool
	}{
		"it stays":             {func(u *indextest.Upstream) string { u.Reg.Add(simreg.MustParse("Foo 2.0.0")...); return u.Commit() }, false},
		"the version vanishes": {func(u *indextest.Upstream) string { u.Reg.Remove(id); return u.Commit() }, true},
		"the crate vanishes": {func(u *indextest.Upstream) string {
			u.Reg.Remove(id)
			u.Reg.Remove(crate.ID{Name: "Foo", Version: "0.1.0"})
			return u.Commit()
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			u := indextest.NewUpstream(t, "Foo 1.0.0\nFoo 0.1.0\nbar 1.0.0")
			since := indextest.Git(t, u.Git, "rev-parse", "master")
			gone := test.vanish(u)
			u.Commit()
			if test.want {
				u.Reg.Add(simreg.Version{Name: "Foo", Version: "1.0.0"})
			}
			u.Commit()
			u.Reg.Add(simreg.MustParse("bar 1.1.0")...)
			u.Commit()

			deep := indextest.BareOf(t, u.Git)
			rev, absent, err := openIndex(t, deep, nil).AbsentSince(t.Context(), id, since)
			if err != nil || absent != test.want {
				t.Fatalf("absent %v, %v; want %v", absent, err, test.want)
			}
			if absent && rev.Commit != gone {
				t.Errorf("absent in %v first, want %s", rev, gone)
			}
			changed, _, err := openIndex(t, deep, nil).Changes(t.Context(), since, nil)
			if err != nil {
				t.Fatal(err)
			}
			if of, absent, err := changed.AbsentSince(t.Context(), id, since); err != nil || absent != test.want || of != rev {
				t.Errorf("in what has changed: absent %v in %v, %v", absent, of, err)
			}
			if _, absent, err = openIndex(t, deep, nil).AbsentSince(t.Context(), crate.ID{Name: "bar", Version: "1.0.0"}, since); err != nil || absent {
				t.Errorf("bar was there all the time; absent %v, %v", absent, err)
			}
			// In isolated commits, as shallow clones have them, a file that is not
			// there is a change of nothing.
			for i, commit := range strings.Fields(indextest.Git(t, deep, "rev-list", "--reverse", "HEAD")) {
				tree := indextest.Git(t, deep, "commit-tree", "-m", "x", commit+"^{tree}")
				indextest.Git(t, deep, "update-ref", DaysRef+"/2023-11-"+string(rune('1'+i))+"0", tree)
			}
			since = indextest.Git(t, deep, "rev-parse", DaysRef+"/2023-11-10")
			indextest.Git(t, deep, "update-ref", "HEAD", since)
			if _, absent, err = openIndex(t, deep, nil).AbsentSince(t.Context(), id, since); err != nil || absent != test.want {
				t.Errorf("from kept days: absent %v, %v", absent, err)
			}

			// What a repository does not have tells nothing.
			shallow := indextest.BareOf(t, u.Git, "--depth=1")
			if _, absent, err = openIndex(t, shallow, nil).AbsentSince(t.Context(), id, since); err != nil || absent {
				t.Errorf("a shallow clone: absent %v, %v", absent, err)
			}
			plain := filepath.Join(t.TempDir(), "plain")
			if err := u.Reg.WriteIndex(plain); err != nil {
				t.Fatal(err)
			}
			if _, absent, err = openIndex(t, plain, nil).AbsentSince(t.Context(), id, since); err != nil || absent {
				t.Errorf("a plain folder: absent %v, %v", absent, err)
			}
		})
	}
	if _, _, err := openIndex(t, indextest.BareOf(t, indextest.CheckoutOf(t, indextest.Tree{"3/f/foo": "x"})), nil).AbsentSince(t.Context(), id, "--all"); err == nil {
		t.Error("--all was taken for a commit")
	}
}
