package catalog

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// makeFormat2 removes what format 3 added.
func makeFormat2(t testing.TB, c *Catalog) {
	t.Helper()
	makeFormat7(t, c)
	if _, err := c.db.Exec("DROP TABLE names; DROP TABLE segments; PRAGMA user_version = 2"); err != nil {
		t.Fatal(err)
	}
	c.format.Store(2)
}

func TestNames(t *testing.T) {
	c, path := tempCatalog(t)
	unlisted := version("unlisted", "1.0.0", 1)
	unlisted.Listed = false
	mustCommit(t, c, Batch{Versions: []Version{version("b", "1.0.0", 1), version("b", "1.1.0", 1), version("A", "1.0.0", 1), unlisted}})
	ro := follow(t, path)
	var mark NamesMark
	step := func(what string, wantAll bool, want ...string) {
		t.Helper()
		err := ro.Read(t.Context(), func(c *Catalog) error {
			got, next, all, err := c.Names(t.Context(), mark)
			if diff := cmp.Diff(want, got); diff != "" || all != wantAll {
				t.Errorf("%s: all %v\n%s", what, all, diff)
			}
			mark = next
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	step("first", true, "A", "b")
	step("nothing new", false)
	mustCommit(t, c, Batch{Versions: []Version{version("a", "2.0.0", 1), version("c", "1.0.0", 1)}})
	step("one more, and one in another case", false, "c")
	if err := c.Adopt(t.Context(), []Version{in(Version{ID: version("d", "1.0.0", 1).ID, Size: 1}, "bundle-0001.tar.zst", 1)}); err != nil {
		t.Fatal(err)
	}
	step("adopted", false, "d")
	mustCommit(t, c, Batch{Vanished: []string{"1/c"}})
	step("one vanished", true, "A", "b", "d")
	mustCommit(t, c, Batch{Vanished: []string{"1/d"}})
	mustCommit(t, c, Batch{Versions: []Version{version("c", "1.1.0", 1)}})
	step("the last vanished, one came back", true, "A", "b", "c")
	mustCommit(t, c, Batch{Versions: []Version{version("e", "1.0.0", 1)}})
	step("one more", false, "e")
}

// TestNamesOfFormat2: a reader of an old catalog returns names, too, and notices when a
// writer of this program upgrades the catalog.
func TestNamesOfFormat2(t *testing.T) {
	c, path := tempCatalog(t)
	gone := version("gone", "1.0.0", 1)
	gone.Listed = false
	adopted := version("adopted", "1.0.0", 1)
	adopted.Listed, adopted.VerifiedAt = false, time.Time{}
	mustCommit(t, c, Batch{Versions: []Version{version("b", "1.0.0", 1), version("a", "1.0.0", 1), gone, adopted}})
	makeFormat2(t, c)
	c.Close()

	want := []string{"a", "adopted", "b"}
	f := follow(t, path)
	read := func() (got []string, all bool) {
		t.Helper()
		err := f.Read(t.Context(), func(c *Catalog) (err error) {
			got, _, all, err = c.Names(t.Context(), NamesMark{})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return got, all
	}
	if got, all := read(); !all || !cmp.Equal(got, want) {
		t.Errorf("read-only: %v, all %v", got, all)
	}
	wantHeld(t, f, "b", 1)

	w := writer(t, path)
	defer w.Close()
	wantChanged(t, f, true)
	if got, all := read(); !all || !cmp.Equal(got, want) {
		t.Errorf("taken over: %v, all %v", got, all)
	}
	var id int64
	if err := w.db.QueryRow("SELECT id FROM names WHERE name = 'B'").Scan(&id); err != nil {
		t.Errorf("table of names: %v", err)
	}
}
