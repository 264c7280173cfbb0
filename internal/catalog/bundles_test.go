package catalog

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

// in returns a version in a bundle.
func in(v Version, bundle string, offset int64) Version {
	v.Bundle, v.Offset, v.FrameSize = bundle, offset, 100
	return v
}

func mustCommit(t *testing.T, c *Catalog, b Batch) {
	t.Helper()
	if err := c.Commit(context.Background(), b); err != nil {
		t.Fatal(err)
	}
}

func wantVersion(t *testing.T, c *Catalog, want ...Version) {
	t.Helper()
	got, err := c.Versions(context.Background(), want[0].Name)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("versions of %s (-want +got):\n%s", want[0].Name, diff)
	}
}

func TestBundles(t *testing.T) {
	c, _ := tempCatalog(t)
	mustCommit(t, c, Batch{Versions: []Version{in(version("a", "1.0.0", 1), "bundle-0001.tar.zst", 0), version("b", "1.0.0", 2)}})
	whole := Bundle{Name: "bundle-0001.tar.zst", Whole: true, Entries: 1, Bytes: 1, Checksum: crate.Checksum{9}}
	for _, want := range [][]Bundle{{{Name: "bundle-0001.tar.zst"}}, {whole}, {whole}} {
		got, err := c.Bundles(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("bundles (-want +got):\n%s", diff)
		}
		// A whole bundle stays whole when another version in it is written.
		mustCommit(t, c, Batch{Bundles: []Bundle{whole}})
		mustCommit(t, c, Batch{Versions: []Version{in(version("a", "1.0.0", 1), "bundle-0001.tar.zst", 0)}})
	}
}

func TestAdopt(t *testing.T) {
	c, _ := tempCatalog(t)
	held, pinned, foreign := version("held", "1.0.0", 1), version("pinned", "1.0.0", 2), version("new", "1.0.0", 3)
	mustCommit(t, c, Batch{Versions: []Version{held, pinned}})
	other := version("pinned", "1.0.0", 99)
	const bundle = "bundle-0007.tar.zst"
	for _, offset := range []int64{10, 20} {
		found := []Version{in(held, bundle, offset), in(other, bundle, offset), in(foreign, bundle, offset)}
		if err := c.Adopt(context.Background(), found); err != nil {
			t.Fatal(err)
		}
		wantVersion(t, c, in(held, bundle, offset))
		// A8: other bytes do not change the pin.
		wantVersion(t, c, pinned, adopted(other, bundle, offset))
		if v, err := c.Version(context.Background(), pinned.ID); err != nil || v != pinned {
			t.Errorf("the bytes of %s are %v, %v", pinned.ID, v, err)
		}
		wantVersion(t, c, adopted(foreign, bundle, offset))
	}
	if got, err := c.Bundles(context.Background()); err != nil || len(got) != 1 || got[0] != (Bundle{Name: bundle}) {
		t.Errorf("bundles: %+v, %v", got, err)
	}
}

func adopted(v Version, bundle string, offset int64) Version {
	v = in(v, bundle, offset)
	v.Loose, v.Listed, v.VerifiedAt = false, false, time.Time{}
	return v
}

func TestTwicePage(t *testing.T) {
	c, _ := tempCatalog(t)
	const whole, begun = "bundle-0000.tar.zst", "bundle-0001.tar.zst"
	only := in(version("only", "1.0.0", 5), whole, 50)
	only.Loose = false
	removed := in(version("removed", "1.0.0", 7), whole, 60)
	removed.Listed = false
	mustCommit(t, c, Batch{
		Versions: []Version{in(version("b", "1.0.0", 1), whole, 10), in(version("A", "1.0.0", 2), whole, 20), in(version("b", "0.1.0", 3), whole, 30),
			in(version("c", "1.0.0", 4), begun, 40), only, version("loose", "1.0.0", 6), removed},
		Bundles: []Bundle{{Name: whole, Whole: true}},
	})
	for name, tt := range map[string]struct {
		next func(context.Context, crate.ID, int) ([]Version, error)
		want []string
	}{
		"all":      {c.TwicePage, []string{"A 1.0.0", "b 0.1.0", "b 1.0.0", "removed 1.0.0"}},
		"unlisted": {c.UnlistedTwicePage, []string{"removed 1.0.0"}},
	} {
		var got []string
		for after := (crate.ID{}); ; {
			page, err := tt.next(t.Context(), after, 2)
			if err != nil {
				t.Fatal(err)
			}
			if len(page) == 0 {
				break
			}
			for _, v := range page {
				got = append(got, v.ID.String())
			}
			after = page[len(page)-1].ID
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s, held twice (-want +got):\n%s", name, diff)
		}
	}
	var plan string // of the second query: it does not read all rows
	if err := c.db.QueryRow(`EXPLAIN QUERY PLAN SELECT 1 FROM versions WHERE `+unlistedTwice+` AND (name, version) > ('a', '1')
		ORDER BY name, version`).Scan(new(int), new(int), new(int), &plan); err != nil || !strings.Contains(plan, "INDEX unlisted_twice") {
		t.Errorf("%s, %v", plan, err)
	}
}

func TestTaken(t *testing.T) {
	c, path := tempCatalog(t)
	old := Taken{Name: "bundle-0001.tar.zst", Size: 7, Modified: time.Unix(1, 5)}
	mustCommit(t, c, Batch{Taken: []Taken{old, {Name: "bundle-0002.tar.zst", Size: 8, Modified: time.Unix(2, 0)}}})
	old.Size = 9 // v1.1.0 wrote it again
	mustCommit(t, c, Batch{Taken: []Taken{old}})
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	c, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	got, err := c.Taken(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]Taken{old, {Name: "bundle-0002.tar.zst", Size: 8, Modified: time.Unix(2, 0)}}, got); diff != "" {
		t.Errorf("taken (-want +got):\n%s", diff)
	}
}

// A catalog from before this table existed gets it.
func TestOlderFormat(t *testing.T) {
	c, path := tempCatalog(t)
	mustCommit(t, c, Batch{Versions: []Version{version("a", "1.0.0", 1)}})
	makeFormat3(t, c)
	if _, err := c.db.Exec("DROP TABLE taken; PRAGMA user_version = 2"); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	ro, _, err := openReader(path, logOf(path))
	if err != nil {
		t.Fatal(err)
	}
	defer ro.Close()
	if taken, err := ro.Taken(context.Background()); err != nil || len(taken) != 0 {
		t.Errorf("taken, read-only: %v, %v", taken, err)
	}
	c, err = Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	wantVersion(t, c, version("a", "1.0.0", 1))
	if taken, err := c.Taken(context.Background()); err != nil || len(taken) != 0 {
		t.Errorf("taken: %v, %v", taken, err)
	}
}
