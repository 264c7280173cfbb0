package catalog

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

// TestHoldings: Holdings returns the versions that Versions returns for the crate,
// regardless of the length and case of its name.
func TestHoldings(t *testing.T) {
	c, _ := tempCatalog(t)
	ctx := context.Background()
	names := []string{"a", "ab", "abc", "Serde", "serde_json", "empty", "1"}
	var batch Batch
	for i, name := range names {
		batch.Crates = append(batch.Crates, Crate{Path: crate.IndexPath(name), Blob: strings.Repeat("0", 39) + name[:1], Yanked: i%2 == 0})
		if name == "empty" {
			continue // all versions are yanked
		}
		v := version(name, "1.0.0", byte(i+1))
		batch.Versions = append(batch.Versions, v, in(version(name, "0.9.0+b", byte(i+11)), "bundle-0001.tar.zst", int64(i)))
	}
	yanked, unlisted, before, packed := version("1", "2.0.0", 21), version("1", "3.0.0", 22), version("1", "3.0.0", 23), version("1", "4.0.0", 24)
	yanked.Yanked, unlisted.Listed = true, false
	before.Placement = store.Placement{Loose: true, Republished: before.Checksum.FileKey()}
	before.Listed, before.SupersededAt = false, time.Unix(1e9, 0).UTC()
	packed.Placement = store.Placement{Deep: store.DeepPlace{Segment: "deep-0001.cdeep", Pack: 5, PackSize: 6, Number: 7}}
	batch.Versions = append(batch.Versions, yanked, unlisted, before, packed)
	batch.Crates = append(batch.Crates, Crate{Path: "in/co/incomplete"}) // for Holdings only
	batch.Versions = append(batch.Versions, version("incomplete", "1.0.0", 99))
	made := batch
	made.Crates = batch.Crates[:len(batch.Crates)-1]
	mustCommit(t, c, made)
	var paths []string
	for h, err := range c.Holdings(ctx, false) {
		if err != nil {
			t.Fatal(err)
		}
		paths = append(paths, h.Path)
		want, err := c.Versions(ctx, h.Path[strings.LastIndexByte(h.Path, '/')+1:])
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, h.Versions); diff != "" {
			t.Errorf("%s (-want +got):\n%s", h.Path, diff)
		}
		for _, cr := range batch.Crates {
			if cr.Path == h.Path && cr != h.Crate {
				t.Errorf("%+v, want %+v", h.Crate, cr)
			}
		}
	}
	want := []string{"1/1", "1/a", "2/ab", "3/a/abc", "em/pt/empty", "in/co/incomplete", "se/rd/serde", "se/rd/serde_json"}
	if diff := cmp.Diff(want, paths); diff != "" {
		t.Errorf("paths (-want +got):\n%s", diff)
	}
	for range c.Holdings(ctx, false) { // stopping early is allowed
		break
	}
}

// TestHoldingsPlan: SQLite uses both primary keys, and does not sort.
func TestHoldingsPlan(t *testing.T) {
	c, _ := tempCatalog(t)
	_, versions := c.holdings(false)
	rows, err := c.db.Query("EXPLAIN QUERY PLAN " + versions)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var plan []string
	for rows.Next() {
		var id, parent, unused int
		var detail string
		if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
			t.Fatal(err)
		}
		plan = append(plan, detail)
	}
	if text := strings.Join(plan, "; "); len(plan) != 2 || !strings.Contains(text, "SEARCH v USING PRIMARY KEY (name=?)") {
		t.Errorf("query plan: %s", text)
	}
}

// TestHoldingsDamaged: a value of the wrong type is reported as damage, and the end of the
// context ends the sequence.
func TestHoldingsDamaged(t *testing.T) {
	for _, damage := range []string{
		"UPDATE versions SET size = 'large'", "UPDATE versions SET version = x'00'", "UPDATE versions SET sha256 = x'00'",
		"UPDATE versions SET sha256 = 'text'", "UPDATE crates SET yanked = 'yes'", "UPDATE crates SET blob = x'00'",
	} {
		t.Run(damage, func(t *testing.T) {
			c, _ := tempCatalog(t)
			mustCommit(t, c, Batch{Crates: []Crate{{Path: "3/f/foo"}}, Versions: []Version{version("foo", "1.0.0", 1)}})
			if _, err := c.db.Exec(damage); err != nil {
				t.Fatal(err)
			}
			for h, err := range c.Holdings(t.Context(), false) {
				if !errors.Is(err, ErrDamaged) {
					t.Errorf("%+v, %v", h, err)
				}
			}
		})
	}
	c, _ := tempCatalog(t)
	mustCommit(t, c, Batch{Crates: []Crate{{Path: "1/a"}, {Path: "1/b"}, {Path: "1/c"}}})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var paths []string
	var last error
	for h, err := range c.Holdings(ctx, false) {
		paths, last = append(paths, h.Path), err
		cancel()
	}
	if len(paths) != 2 || !errors.Is(last, context.Canceled) {
		t.Errorf("crates %q, then %v", paths, last)
	}
}

// A path that no crate can have must not hide the versions of the crates after it.
func TestHoldingsOddPath(t *testing.T) {
	c, _ := tempCatalog(t)
	mustCommit(t, c, Batch{Crates: []Crate{{Path: "ab/cd/abcd"}}, Versions: []Version{version("abcd", "1.0.0", 1), version("odd", "1.0.0", 2)}})
	for _, change := range []string{"INSERT INTO crates (path, blob, yanked) VALUES ('aa/bb/x/odd', '', 0)", "UPDATE versions SET name = 'x/odd' WHERE name = 'odd'"} {
		if _, err := c.db.Exec(change); err != nil {
			t.Fatal(err)
		}
	}
	held := map[string]int{}
	for h, err := range c.Holdings(t.Context(), false) {
		if err != nil {
			t.Fatal(err)
		}
		held[h.Path] = len(h.Versions)
	}
	if held["aa/bb/x/odd"] != 1 || held["ab/cd/abcd"] != 1 {
		t.Errorf("versions held: %v", held)
	}
}
