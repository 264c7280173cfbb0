package catalog

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

// makeFormat4 turns a catalog into one that an earlier program would have written.
func makeFormat4(t *testing.T, c *Catalog) {
	t.Helper()
	makeFormat5(t, c)
	if _, err := c.db.Exec("ALTER TABLE versions DROP COLUMN leaf; DROP TABLE logged; PRAGMA user_version = 4"); err != nil {
		t.Fatal(err)
	}
}

// leavesOf returns the leaves of the versions of crates.
func leavesOf(t *testing.T, c *Catalog, names ...string) (leaves []int64) {
	t.Helper()
	for _, name := range names {
		held, err := c.Versions(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range held {
			leaves = append(leaves, v.Leaf)
		}
	}
	for h, err := range c.Holdings(t.Context(), false) {
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range h.Versions {
			if again, err := c.ByChecksum(t.Context(), v.Key()); err != nil || again.Leaf != v.Leaf {
				t.Errorf("%s: leaf %d in Holdings, %d, %v in ByChecksum", v.ID, v.Leaf, again.Leaf, err)
			}
		}
	}
	return leaves
}

// A catalog of format 4 can be read as it is, and is upgraded to format 5, with its rows,
// when it is written.
func TestFormat4(t *testing.T) {
	c, path := tempCatalog(t)
	a, b := version("a", "1.0.0", 1), version("b", "1.0.0", 2)
	mustCommit(t, c, Batch{Versions: []Version{a, b}, Crates: []Crate{{Path: "1/a", Blob: "x"}}})
	makeFormat4(t, c)
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	ro, _, err := openReader(path, logOf(path))
	if err != nil {
		t.Fatal(err)
	}
	wantVersion(t, ro, a)
	leavesOf(t, ro, "a")
	if l, err := ro.Logged(t.Context()); err != nil || l != (Logged{}) {
		t.Errorf("Logged = %+v, %v", l, err)
	}
	if err := ro.Close(); err != nil {
		t.Fatal(err)
	}
	if c, err = Open(path); err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	wantVersion(t, c, a)
	wantVersion(t, c, b)
	if err := c.RecordLeaves(t.Context(), []crate.Key{a.Key()}, Logged{Size: 1}); err != nil {
		t.Fatal(err)
	}
	if got := leavesOf(t, c, "a", "b"); got[0] != 1 || got[1] != 0 {
		t.Errorf("leaves %v, want 1 and none", got)
	}
}

// Tallies counts the rows for which Good is true.
func TestTallies(t *testing.T) {
	c, _ := tempCatalog(t)
	rows := []Version{version("a", "1.0.0", 1), version("a", "1.1.0", 2), version("a", "1.2.0", 3), version("serde", "1.0.0", 4), version("serde", "1.1.0", 5), version("serde", "1.2.0", 6)}
	rows[1].Loose, rows[1].Bundle = false, "bundle-0000.tar.zst"
	rows[2].Listed = false
	rows[3].Loose = false
	rows[4].SupersededAt = time.Unix(1700000000, 0)
	rows[5].VerifiedAt = time.Time{}
	mustCommit(t, c, Batch{Versions: rows, Crates: []Crate{{Path: "1/a", Blob: "x", Yanked: true}, {Path: "em/pt/empty", Blob: "y"}}})
	if err := c.RecordLeaves(t.Context(), []crate.Key{rows[0].Key()}, Logged{Size: 1}); err != nil {
		t.Fatal(err)
	}
	want := []Tally{
		{Crate{Path: "1/a", Blob: "x", Yanked: true}, 2, 2, 1}, {Crate: Crate{Path: "em/pt/empty", Blob: "y"}}, {Crate{Path: "se/rd/serde"}, 3, 0, 0},
	}
	var got []Tally
	for tally, err := range c.Tallies(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, tally)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("tallies (-want +got):\n%s", diff)
	}
	good := 0
	for _, v := range rows {
		if v.Good() {
			good++
		}
	}
	if good != 3 {
		t.Errorf("%d rows are good, want 3", good)
	}
}

// A leaf stays with its bytes, whatever a run writes; other bytes do not get it.
func TestLeaves(t *testing.T) {
	c, _ := tempCatalog(t)
	ctx := t.Context()
	a, b := version("a", "1.0.0", 1), version("a", "1.1.0", 2)
	mustCommit(t, c, Batch{Versions: []Version{a, b}})
	lost := version("lost", "1.0.0", 3)
	want := Logged{Size: 7, Root: [32]byte{1, 2, 3}}
	if err := c.RecordLeaves(ctx, []crate.Key{b.Key(), lost.Key(), a.Key()}, want); err != nil {
		t.Fatal(err)
	}
	if got, err := c.Logged(ctx); err != nil || got != want {
		t.Errorf("Logged = %+v, %v", got, err)
	}
	again := a
	again.Yanked, again.VerifiedAt, again.Leaf = true, time.Unix(1800000000, 0).UTC(), 99
	other := version("a", "1.0.0", 9)
	mustCommit(t, c, Batch{Versions: []Version{again, other}})
	if err := c.Adopt(ctx, []Version{b}); err != nil {
		t.Fatal(err)
	}
	if err := c.AdoptLoose(ctx, []Version{b}); err != nil {
		t.Fatal(err)
	}
	if got := leavesOf(t, c, "a"); len(got) != 3 || got[0] != 7 || got[1] != 0 || got[2] != 5 {
		t.Errorf("leaves %v, want 7, none, 5", got)
	}
	if v, err := c.ByChecksum(ctx, a.Key()); err != nil || !v.Yanked || !v.VerifiedAt.Equal(again.VerifiedAt) {
		t.Errorf("%+v, %v", v, err)
	}
	mustCommit(t, c, Batch{Versions: []Version{version("A", "1.1.0", 2)}})
	if got := leavesOf(t, c, "a"); got[2] != 0 {
		t.Errorf("leaves %v: under another spelling the bytes are another leaf", got)
	}
	if err := c.ForgetLeaves(ctx); err != nil {
		t.Fatal(err)
	}
	if got, err := c.Logged(ctx); err != nil || got != (Logged{}) || leavesOf(t, c, "a")[0] != 0 {
		t.Errorf("forgotten: Logged = %+v, %v", got, err)
	}
}
