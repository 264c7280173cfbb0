package catalog

import (
	"database/sql"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

// makeFormat7 converts a catalog to format 7, without sums, as an earlier program made it.
func makeFormat7(t testing.TB, c *Catalog) {
	t.Helper()
	for _, column := range []string{"crates DROP COLUMN apart", "crates DROP COLUMN versions", "crates DROP COLUMN bytes",
		"crates DROP COLUMN yanked_versions", "crates DROP COLUMN yanked_bytes", "bundles DROP COLUMN reach", "segments DROP COLUMN reach"} {
		if _, err := c.db.Exec("ALTER TABLE " + column); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.db.Exec("PRAGMA user_version = 7"); err != nil {
		t.Fatal(err)
	}
}

// holdingsOf returns all holdings, by path.
func holdingsOf(t *testing.T, c *Catalog, sums bool) map[string]Holding {
	t.Helper()
	held := map[string]Holding{}
	for h, err := range c.Holdings(t.Context(), sums) {
		if err != nil {
			t.Fatal(err)
		}
		held[h.Path] = h
	}
	return held
}

// alone returns a version that is only in bundle-0001.tar.zst.
func alone(name, vers string, size byte, offset int64) Version {
	v := in(version(name, vers, size), "bundle-0001.tar.zst", offset)
	v.Loose = false
	return v
}

// TestSums: Holdings returns the sum of a crate while all its listed versions are only in
// bundles and segments, whatever is written, and otherwise its versions.
func TestSums(t *testing.T) {
	c, _ := tempCatalog(t)
	const segment = "deep-0001.cdeep"
	first, second := alone("Foo", "1.0.0", 10, 100), alone("Foo", "1.1.0", 20, 300)
	second.Yanked = true
	packed := inDeep(version("Foo", "1.2.0", 40), segment, 7)
	packed.Loose = false
	before := version("Foo", "1.0.0", 99) // loose, of no concern: the index does not list it
	before.Listed, before.SupersededAt = false, before.VerifiedAt
	mustCommit(t, c, Batch{Versions: []Version{first, second, packed, before}, Crates: []Crate{{Path: "3/f/foo", Blob: "b", Yanked: true}}})
	want := func(when string, sum *Sum, versions int) {
		t.Helper()
		if h := holdingsOf(t, c, true)["3/f/foo"]; !cmp.Equal(h.Sum, sum) || len(h.Versions) != versions {
			t.Errorf("%s: %+v and %d versions, want %+v and %d", when, h.Sum, len(h.Versions), sum, versions)
		}
	}
	want("in a bundle", &Sum{Versions: 2, Bytes: 50, Yanked: 1, YankedBytes: 20}, 0)
	if h := holdingsOf(t, c, false)["3/f/foo"]; h.Sum != nil || len(h.Versions) != 4 {
		t.Errorf("without sums: %+v", h)
	}
	loose := version("foo", "2.0.0", 5)
	mustCommit(t, c, Batch{Versions: []Version{loose}})
	want("one is loose", nil, 5)
	mustCommit(t, c, Batch{Dropped: []crate.Key{loose.Key(), second.Key()}})
	want("dropped", &Sum{Versions: 2, Bytes: 50}, 0)
	if err := c.AdoptLoose(t.Context(), []Version{version("Foo", "1.0.0", 10)}); err != nil {
		t.Fatal(err)
	}
	want("a loose file was found", nil, 3)
	mustCommit(t, c, Batch{Versions: []Version{first}})
	want("it went", &Sum{Versions: 2, Bytes: 50}, 0)
	mustCommit(t, c, Batch{Crates: []Crate{{Path: "3/f/foo", Blob: "c", Yanked: true}}})
	want("the index file changed", &Sum{Versions: 2, Bytes: 50}, 0)
}

// TestReaches: until a bundle is removed, its reach includes all versions that were ever in
// it.
func TestReaches(t *testing.T) {
	c, _ := tempCatalog(t)
	const bundle, segment = "bundle-0001.tar.zst", "deep-0001.cdeep"
	far, near := alone("a", "1.0.0", 1, 300), alone("b", "1.0.0", 2, 100)
	packed := inDeep(version("c", "1.0.0", 3), segment, 7)
	ends := func(want ...store.Placement) {
		t.Helper()
		var got []store.Placement
		for at, err := range c.Reaches(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, at)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("reaches (-want +got):\n%s", diff)
		}
	}
	ofBundle := store.Placement{Bundle: bundle, FrameSize: far.Offset + far.FrameSize}
	ofSegment := store.Placement{Deep: store.DeepPlace{Segment: segment, PackSize: packed.Deep.Pack + packed.Deep.PackSize}}
	mustCommit(t, c, Batch{Versions: []Version{far, packed}})
	mustCommit(t, c, Batch{Versions: []Version{near}, Bundles: []Bundle{{Name: bundle, Whole: true, Entries: 2, Bytes: 3}}})
	ends(ofBundle, ofSegment)
	makeFormat7(t, c)
	if _, err := c.db.Exec(schema(7)); err != nil {
		t.Fatal(err)
	}
	ends(ofBundle, ofSegment)
	if sum := holdingsOf(t, c, true)["1/b"].Sum; sum == nil || *sum != (Sum{Versions: 1, Bytes: 2}) {
		t.Errorf("the sum of a crate of format 7: %+v", sum)
	}
	mustCommit(t, c, Batch{Bundles: []Bundle{{Name: bundle, Whole: true}}, Dropped: []crate.Key{far.Key(), near.Key()}})
	ends(ofSegment)
	if err := c.Adopt(t.Context(), []Version{near}); err != nil { // it came back
		t.Fatal(err)
	}
	ends(store.Placement{Bundle: bundle, FrameSize: near.Offset + near.FrameSize}, ofSegment)
}

// TestMeasure: what was lost from a bundle, and is elsewhere now, no longer counts.
func TestMeasure(t *testing.T) {
	c, _ := tempCatalog(t)
	const segment = "deep-0001.cdeep"
	far, near := alone("a", "1.0.0", 1, 300), alone("b", "1.0.0", 2, 100)
	packed := inDeep(version("c", "1.0.0", 3), segment, 7)
	mustCommit(t, c, Batch{Versions: []Version{far, near, packed}})
	again := in(far, "bundle-0002.tar.zst", 0)
	packed.Placement = packed.AsFile()
	mustCommit(t, c, Batch{Versions: []Version{again, packed}})
	mustCommit(t, c, Batch{Measure: true})
	var got []store.Placement
	for at, err := range c.Reaches(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, at)
	}
	want := []store.Placement{{Bundle: near.Bundle, FrameSize: near.Offset + near.FrameSize}, {Bundle: again.Bundle, FrameSize: again.FrameSize}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("reaches (-want +got):\n%s", diff)
	}
}

// wantSums checks, at the end of each test of a catalog, that its sums agree with its rows,
// and that no version is beyond the reach of its bundle.
func wantSums(t testing.TB, path string) {
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var have int64
	if err := db.QueryRow("PRAGMA user_version").Scan(&have); err != nil || have != format {
		return // damaged, or of another format, by a test that wants it so
	}
	var wrong, beyond int64
	if err := db.QueryRow(`SELECT count(*) FROM versions v LEFT JOIN bundles b ON b.name = v.bundle LEFT JOIN segments s ON s.name = v.segment
		WHERE v.bundle <> '' AND v.offset + v.length > coalesce(b.reach, 0) OR v.segment <> '' AND v.pack + v.pack_size > coalesce(s.reach, 0)`).Scan(&beyond); err != nil {
		return
	}
	for _, statement := range []string{"CREATE TEMP TABLE before AS SELECT path, " + sumColumns + " FROM crates", recount} {
		if _, err := db.Exec(statement); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.QueryRow("SELECT count(*) FROM (SELECT path, " + sumColumns + " FROM crates EXCEPT SELECT * FROM temp.before)").Scan(&wrong); err != nil {
		t.Fatal(err)
	}
	if wrong != 0 || beyond != 0 {
		t.Errorf("%d crates whose sums are not what their rows say, %d versions beyond the end of their bundle", wrong, beyond)
	}
}
