package catalog

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

func tempCatalog(t testing.TB) (*Catalog, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "a folder #1?", "catalog.db")
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	c, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Close()
		wantSums(t, path)
	})
	return c, path
}

func version(name, vers string, first byte) Version {
	return Version{
		ID: crate.ID{Name: name, Version: vers}, Checksum: crate.Checksum{first}, Size: int64(first),
		Placement: store.Placement{Loose: true}, Listed: true, VerifiedAt: time.Unix(1700000000, 0).UTC(),
	}
}

func keyOf(v Version) crate.Key { return v.Key() }

func TestCommitAndRead(t *testing.T) {
	ctx := context.Background()
	c, path := tempCatalog(t)
	bundled := version("Serde", "1.0.0+b", 2)
	bundled.Loose, bundled.Bundle, bundled.Offset, bundled.FrameSize = false, "bundle-0001.tar.zst", 512, 99
	bundled.Yanked, bundled.Listed = true, false
	batch := Batch{
		Versions: []Version{version("Serde", "1.0.0", 1), bundled, version("other", "0.1.0", 3)},
		Crates:   []Crate{{Path: "se/rd/serde", Blob: "b1", Yanked: true}, {Path: "1/a", Blob: "b0"}},
	}
	if err := c.Commit(ctx, batch); err != nil {
		t.Fatal(err)
	}
	// Another reader sees it while the writer is open, regardless of case.
	ro, _, err := openReader(path, logOf(path))
	if err != nil {
		t.Fatal(err)
	}
	defer ro.Close()
	got, err := ro.Versions(ctx, "serde")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(batch.Versions[:2], got); diff != "" {
		t.Errorf("versions of serde (-want +got):\n%s", diff)
	}
	totals, err := ro.Totals(ctx)
	if want := (Totals{Crates: 2, Versions: 3, Bytes: 6, Removed: 1}); err != nil || totals != want {
		t.Errorf("Totals = %v, %v; want %v", totals, err, want)
	}
	if err := ro.Commit(ctx, batch); err == nil {
		t.Error("a read-only catalog took a commit")
	}
}

func TestGoneUntilHeld(t *testing.T) {
	ctx := context.Background()
	c, _ := tempCatalog(t)
	id := crate.ID{Name: "lost", Version: "1.0.0"}
	first := time.Unix(1600000000, 0)
	for i, at := range []time.Time{first, first.Add(time.Hour)} {
		if err := c.Commit(ctx, Batch{Gone: []Gone{{ID: id, Status: 403 + i, Evidence: "e", Since: at}}}); err != nil {
			t.Fatal(err)
		}
	}
	var status, since int64
	if err := c.db.QueryRow("SELECT status, since FROM gone").Scan(&status, &since); err != nil || status != 404 || since != first.Unix() {
		t.Errorf("status %d since %d (%v), want 404 since %d", status, since, err, first.Unix())
	}
	if was, err := c.WasGone(ctx, id); err != nil || !was {
		t.Errorf("WasGone = %v, %v", was, err)
	}
	if err := c.Commit(ctx, Batch{Versions: []Version{version("lost", "1.0.0", 1)}}); err != nil {
		t.Fatal(err)
	}
	if was, err := c.WasGone(ctx, id); err != nil || was {
		t.Errorf("WasGone after it was fetched = %v, %v", was, err)
	}
}

func TestReadOnlyTouchesNothing(t *testing.T) {
	c, path := tempCatalog(t)
	if err := c.Commit(context.Background(), Batch{Versions: []Version{version("a", "1.0.0", 1)}}); err != nil {
		t.Fatal(err)
	}
	c.Close()
	before := names(t, filepath.Dir(path))
	ro, _, err := openReader(path, logOf(path))
	if err != nil {
		t.Fatal(err)
	}
	if held, err := ro.Versions(context.Background(), "a"); err != nil || len(held) != 1 {
		t.Errorf("Versions = %v, %v", held, err)
	}
	if diff := cmp.Diff(before, names(t, filepath.Dir(path))); diff != "" {
		t.Errorf("files while reading (-before +during):\n%s", diff)
	}
	ro.Close()
	if _, _, err := openReader(path+".none", logState{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("absent catalog: %v", err)
	}
}

func names(t *testing.T, dir string) (list []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return list
}

// E16: a catalog of a newer format is rejected, not misread.
func TestE16NewerFormat(t *testing.T) {
	c, path := tempCatalog(t)
	if _, err := c.db.Exec("PRAGMA user_version = 99"); err != nil {
		t.Fatal(err)
	}
	c.Close()
	if _, err := Open(path); err == nil || !strings.Contains(err.Error(), "format 99") {
		t.Errorf("Open = %v", err)
	}
}

func TestDamaged(t *testing.T) {
	c, path := tempCatalog(t)
	c.Close()
	if err := os.WriteFile(path, []byte(strings.Repeat("no database ", 1000)), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path); !errors.Is(err, ErrDamaged) {
		t.Errorf("Open = %v, want ErrDamaged", err)
	}
}

func BenchmarkCommit(b *testing.B) {
	c, err := Open(filepath.Join(b.TempDir(), "catalog.db"))
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	batch := Batch{Versions: make([]Version, 0, 4096)}
	for i := range b.N {
		v := version(fmt.Sprintf("crate-%d", i/9), fmt.Sprintf("1.%d.0", i%9), 1)
		v.Listed = true // as every version that a run mirrors
		batch.Versions = append(batch.Versions, v)
		if len(batch.Versions) == 4096 || i == b.N-1 {
			if err := c.Commit(context.Background(), batch); err != nil {
				b.Fatal(err)
			}
			batch.Versions = batch.Versions[:0]
		}
	}
}

func TestVersionIsOneRow(t *testing.T) {
	c, _ := tempCatalog(t)
	want := version("Serde", "1.0.0", 1)
	mustCommit(t, c, Batch{Versions: []Version{want, version("Serde", "1.0.1", 2)}})
	got, err := c.Version(context.Background(), want.ID)
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
	for _, id := range []crate.ID{{Name: "serde", Version: "1.0.0"}, {Name: "Serde", Version: "1.0.2"}, {Name: "other", Version: "1.0.0"}} {
		if _, err := c.Version(context.Background(), id); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", id, err)
		}
	}
}

// BytesOf returns the rows of one version, regardless of case, and SQLite reads no rows of
// other versions for it.
func TestBytesOf(t *testing.T) {
	c, _ := tempCatalog(t)
	now, before := version("Serde", "1.0.0", 1), version("Serde", "1.0.0", 2)
	before.SupersededAt, before.Listed = now.VerifiedAt, false
	mustCommit(t, c, Batch{Versions: []Version{now, before, version("Serde", "1.0.1", 3), version("other", "1.0.0", 4)}})
	for _, name := range []string{"Serde", "serde"} {
		got, err := c.BytesOf(context.Background(), crate.ID{Name: name, Version: "1.0.0"})
		if diff := cmp.Diff([]Version{now, before}, got); diff != "" || err != nil {
			t.Errorf("%s: %v\n%s", name, err, diff)
		}
	}
	if got, err := c.BytesOf(context.Background(), crate.ID{Name: "Serde", Version: "1.0.2"}); len(got) != 0 || err != nil {
		t.Errorf("of a version that is not held: %v, %v", got, err)
	}
	var id, parent, unused int
	var detail string
	err := c.db.QueryRow("EXPLAIN QUERY PLAN SELECT * FROM versions WHERE name = '' AND version = ''").Scan(&id, &parent, &unused, &detail)
	if err != nil || !strings.Contains(detail, "USING PRIMARY KEY (name=? AND version=?)") {
		t.Errorf("query plan: %s, %v", detail, err)
	}
}
