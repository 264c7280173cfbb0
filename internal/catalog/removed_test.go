package catalog

import (
	"context"
	"errors"
	"io/fs"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

// makeFormat3 turns a catalog into one that an earlier program would have written.
func makeFormat3(t *testing.T, c *Catalog) {
	t.Helper()
	makeFormat7(t, c)
	_, err := c.db.Exec(`ALTER TABLE versions RENAME TO now;
		CREATE TABLE versions (name TEXT NOT NULL COLLATE NOCASE, version TEXT NOT NULL, sha256 BLOB NOT NULL, size INTEGER NOT NULL,
			loose INTEGER NOT NULL, bundle TEXT NOT NULL, offset INTEGER NOT NULL, length INTEGER NOT NULL,
			yanked INTEGER NOT NULL, listed INTEGER NOT NULL, verified_at INTEGER NOT NULL, PRIMARY KEY (name, version)) WITHOUT ROWID;
		INSERT INTO versions SELECT ` + columnsOf3 + ` FROM now;
		DROP TABLE now; DROP TABLE segments; DROP TABLE removed; DROP TABLE accepted; PRAGMA user_version = 3`)
	if err != nil {
		t.Fatal(err)
	}
}

// A catalog of format 3 can be read as it is, and is upgraded to format 4 when it is
// written.
func TestFormat3(t *testing.T) {
	c, path := tempCatalog(t)
	ctx := t.Context()
	listed, removed := version("a", "1.0.0", 1), version("a", "1.1.0", 2)
	removed.Listed = false
	mustCommit(t, c, Batch{Versions: []Version{listed, removed}, Crates: []Crate{{Path: "1/a", Blob: "b"}}})
	incomplete := []string{"1/b", "2/bc", "3/b/bcd", "bc/de/bcde", "bc/de/bcdef"} // no row of crates before format 4
	for i, name := range []string{"B", "Bc", "Bcd", "Bcde", "Bcdef"} {
		mustCommit(t, c, Batch{Versions: []Version{version(name, "1.0.0", byte(10+i))}})
	}
	if _, err := c.db.Exec("DELETE FROM crates WHERE blob = ''"); err != nil {
		t.Fatal(err)
	}
	makeFormat3(t, c)
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	ro, _, err := openReader(path, logOf(path))
	if err != nil {
		t.Fatal(err)
	}
	wantVersion(t, ro, listed, removed)
	if v, err := ro.Version(ctx, listed.ID); err != nil || v != listed {
		t.Errorf("Version = %v, %v", v, err)
	}
	if totals, err := ro.Totals(ctx); err != nil || totals.Versions != 7 || totals.Removed != 1 || totals.Superseded != 0 {
		t.Errorf("Totals = %+v, %v", totals, err)
	}
	for h, err := range ro.Holdings(ctx, false) {
		if err != nil || len(h.Versions) != 2 {
			t.Errorf("holding %v, %v", h, err)
		}
	}
	if err := ro.Close(); err != nil {
		t.Fatal(err)
	}
	c, err = Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	wantVersion(t, c, listed, removed)
	wantRemoved(t, c, Removal{Key: removed.Key(), Scope: RemovedVersion, Seen: removed.VerifiedAt})
	if seen, err := c.WasRemoved(ctx, removed.Key()); err != nil || seen.IsZero() {
		t.Errorf("removed %v, %v", seen, err)
	}
	var paths []string
	for h, err := range c.Holdings(ctx, false) {
		if err != nil || (h.Blob == "b") != (h.Path == "1/a") {
			t.Errorf("holding %v, %v", h, err)
		}
		paths = append(paths, h.Path)
	}
	if diff := cmp.Diff(append([]string{"1/a"}, incomplete...), paths); diff != "" {
		t.Errorf("crates (-want +got):\n%s", diff)
	}
}

func wantRemoved(t *testing.T, c *Catalog, want ...Removal) {
	t.Helper()
	var got []Removal
	for r, err := range c.Removed(context.Background(), false) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, r)
	}
	now := cmpopts.EquateApproxTime(time.Minute)
	if diff := cmp.Diff(want, got, now); diff != "" {
		t.Errorf("removed (-want +got):\n%s", diff)
	}
}

// Bytes that were replaced are found only by their checksum, and what is known of a version
// is about its current bytes.
func TestSeveralBytesOfAVersion(t *testing.T) {
	c, _ := tempCatalog(t)
	ctx := t.Context()
	before, now := version("a", "1.0.0", 1), version("a", "1.0.0", 2)
	before.Listed, before.SupersededAt, before.Republished = false, time.Unix(1700000001, 0).UTC(), before.Checksum.FileKey()
	mustCommit(t, c, Batch{Versions: []Version{before, now}})
	wantVersion(t, c, before, now)
	if v, err := c.Version(ctx, now.ID); err != nil || v != now {
		t.Errorf("Version = %v, %v, want %v", v, err, now)
	}
	for _, want := range []Version{before, now} {
		if v, err := c.ByChecksum(ctx, want.Key()); err != nil || v != want {
			t.Errorf("ByChecksum = %v, %v, want %v", v, err, want)
		}
	}
	if _, err := c.ByChecksum(ctx, crate.Key{ID: now.ID, Checksum: crate.Checksum{3}}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("bytes that are not held: %v", err)
	}
	if totals, err := c.Totals(ctx); err != nil || totals.Versions != 2 || totals.Superseded != 1 || totals.Removed != 0 {
		t.Errorf("Totals = %+v, %v", totals, err)
	}
	page, err := c.Page(ctx, crate.ID{}, 1) // a page does not end between the contents of a version
	if err != nil || len(page) != 2 {
		t.Errorf("page %v, %v", page, err)
	}
	mustCommit(t, c, Batch{Dropped: []crate.Key{before.Key()}})
	wantVersion(t, c, now)
}

func TestRemovedAndReturned(t *testing.T) {
	c, _ := tempCatalog(t)
	ctx := t.Context()
	a, b, other := version("aa", "1.0.0", 1), version("bb", "1.0.0", 2), version("cc", "1.0.0", 3)
	unlisted := func(v Version) Version { v.Listed = false; return v }
	mustCommit(t, c, Batch{Versions: []Version{a, b, other}, Crates: []Crate{{Path: "2/aa", Blob: "1"}, {Path: "2/cc", Blob: "3"}}})
	at := Revision{Commit: "c1", Time: time.Unix(1700000100, 0).UTC()}
	ofVersion := Removal{Key: b.Key(), Scope: RemovedVersion, Seen: time.Now().UTC(), At: at}
	ofChecksum := Removal{Key: other.Key(), Scope: RemovedChecksum, Seen: time.Now().UTC().Add(-10 * time.Second), At: at}
	mustCommit(t, c, Batch{Vanished: []string{"2/aa"}, At: at, Removed: []Removal{ofVersion, ofChecksum},
		Versions: []Version{unlisted(b), unlisted(other)}})
	if totals, err := c.Totals(ctx); err != nil || totals.Removed != 2 { // the index names other bytes of other
		t.Errorf("Totals = %+v, %v", totals, err)
	}
	ofCrate := Removal{Key: a.Key(), Scope: RemovedCrate, Seen: time.Now().UTC(), At: at}
	wantRemoved(t, c, ofCrate, ofVersion, ofChecksum)
	for h, err := range c.Holdings(ctx, false) {
		if err != nil || h.Path == "2/cc" && h.Blob != "" || h.Path == "2/aa" {
			t.Errorf("a crate of which the index names other bytes is complete, or one that vanished is there: %v, %v", h, err)
		}
	}
	for key, want := range map[crate.Key]bool{a.Key(): true, b.Key(): true, other.Key(): false} {
		if seen, err := c.WasRemoved(ctx, key); err != nil || seen.IsZero() == want {
			t.Errorf("%s was removed: %v, %v, want %t", key, seen, err, want)
		}
	}
	mustCommit(t, c, Batch{Versions: []Version{b}}) // listed
	ofVersion.Returned = time.Now().UTC()
	wantRemoved(t, c, ofCrate, ofVersion, ofChecksum)
	if seen, err := c.WasRemoved(ctx, b.Key()); err != nil || !seen.IsZero() {
		t.Errorf("what returned was removed: %v, %v", seen, err)
	}
	// A version may be named with other bytes now, and not at all later.
	mustCommit(t, c, Batch{Vanished: []string{"2/aa", "2/cc"}, At: at})
	wantRemoved(t, c, ofCrate, ofVersion, ofChecksum, Removal{Key: other.Key(), Scope: RemovedCrate, Seen: time.Now().UTC(), At: at})
	for key, want := range map[crate.Key]bool{a.Key(): false, b.Key(): true} {
		mustCommit(t, c, Batch{Accepted: []crate.Key{b.Key()}})
		if ok, err := c.Accepted(ctx, key); err != nil || ok != want {
			t.Errorf("accepted %s: %t, %v", key, ok, err)
		}
	}
}

// An accepted key is returned until its bytes are the version's.
func TestAcceptedSince(t *testing.T) {
	c, _ := tempCatalog(t)
	before := time.Now().Add(-time.Minute)
	old, wanted := version("aa", "1.0.0", 1), version("AA", "1.0.0", 2)
	mustCommit(t, c, Batch{Versions: []Version{old}, Accepted: []crate.Key{wanted.Key()}})
	check := func(since time.Time, want ...crate.Key) {
		t.Helper()
		got, err := c.AcceptedSince(t.Context(), since, 10)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%v, accepted (-want +got):\n%s", err, diff)
		}
	}
	check(before, wanted.Key())
	check(time.Now().Add(time.Minute))
	if none, err := c.AcceptedSince(t.Context(), before, 0); err != nil || len(none) > 0 {
		t.Errorf("at most none: %v, %v", none, err)
	}
	superseded := wanted
	superseded.SupersededAt = time.Unix(1700000001, 0)
	mustCommit(t, c, Batch{Versions: []Version{superseded}}) // back to the old ones meanwhile
	check(before, wanted.Key())
	mustCommit(t, c, Batch{Versions: []Version{wanted}})
	check(before)
}
