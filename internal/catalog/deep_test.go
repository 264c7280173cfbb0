package catalog

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

// makeFormat5 turns a catalog into one that an earlier program would have written.
func makeFormat5(t *testing.T, c *Catalog) {
	t.Helper()
	makeFormat7(t, c)
	_, err := c.db.Exec(`ALTER TABLE versions DROP COLUMN segment; ALTER TABLE versions DROP COLUMN pack;
		ALTER TABLE versions DROP COLUMN pack_size; ALTER TABLE versions DROP COLUMN number;
		DROP TABLE segments; PRAGMA user_version = 5`)
	if err != nil {
		t.Fatal(err)
	}
}

// inDeep returns v as a member of a pack.
func inDeep(v Version, segment string, number int) Version {
	v.Placement = v.With(store.Placement{Deep: store.DeepPlace{Segment: segment, Pack: 4096, PackSize: 99, Number: number}})
	return v
}

// A catalog of format 5 can be read as it is, and is upgraded to format 6, with its rows
// and leaves, when it is written.
func TestFormat5(t *testing.T) {
	c, path := tempCatalog(t)
	a, b := version("a", "1.0.0", 1), in(version("b", "1.0.0", 2), "bundle-0001.tar.zst", 7)
	mustCommit(t, c, Batch{Versions: []Version{a, b}, Crates: []Crate{{Path: "1/a", Blob: "x"}}})
	if err := c.RecordLeaves(t.Context(), []crate.Key{a.Key()}, Logged{Size: 1}); err != nil {
		t.Fatal(err)
	}
	a.Leaf = 1
	makeFormat5(t, c)
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	ro, _, err := openReader(path, logOf(path))
	if err != nil {
		t.Fatal(err)
	}
	wantVersion(t, ro, a)
	leavesOf(t, ro, "a", "b")
	if segments, err := ro.Segments(t.Context()); err != nil || segments != nil {
		t.Errorf("Segments = %v, %v", segments, err)
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
	a = inDeep(a, "deep-0000.zst", 3)
	mustCommit(t, c, Batch{Versions: []Version{a}})
	wantVersion(t, c, a)
}

// A version may be a loose file, in a bundle and in the deep archive; recording one place
// does not lose the others.
func TestThreePlaces(t *testing.T) {
	c, _ := tempCatalog(t)
	all := inDeep(in(version("a", "1.0.0", 1), "bundle-0001.tar.zst", 7), "deep-0000.zst", 2)
	all.Loose = true
	only := inDeep(version("a", "1.1.0", 2), "deep-0001.zst", 0)
	only.Placement = only.InDeep()
	mustCommit(t, c, Batch{Versions: []Version{all, only}, Segments: []Bundle{{Name: "deep-0000.zst", Whole: true, Entries: 1, Bytes: 9}}})
	wantVersion(t, c, all, only)
	for h, err := range c.Holdings(t.Context(), false) {
		if diff := cmp.Diff([]Version{all, only}, h.Versions); err != nil || diff != "" {
			t.Errorf("holdings: %v\n%s", err, diff)
		}
	}
	segments, err := c.Segments(t.Context())
	if err != nil || len(segments) != 2 || !segments[0].Whole || segments[1] != (Bundle{Name: "deep-0001.zst"}) {
		t.Errorf("segments %+v, %v", segments, err)
	}
	for tally, err := range c.Tallies(t.Context()) {
		if err != nil || tally.Good != 2 {
			t.Errorf("tally %+v, %v: what is in the deep archive alone is held", tally, err)
		}
	}

	// Found a second time elsewhere, as after a kill.
	moved, bundled := inDeep(only, "deep-0002.zst", 5), in(only, "bundle-0009.tar.zst", 3)
	bundled.Placement = bundled.InBundle()
	if err := c.Adopt(t.Context(), []Version{moved, bundled}); err != nil {
		t.Fatal(err)
	}
	only.Placement = moved.With(bundled.Placement)
	wantVersion(t, c, all, only)
	want := []store.Placement{all.AsFile(), all.InBundle(), all.InDeep()}
	if got := all.Places(); !slices.Equal(got, want) {
		t.Errorf("places %v, want %v", got, want)
	}
}
