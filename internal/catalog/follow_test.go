package catalog

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func follow(t *testing.T, path string) *Follower {
	t.Helper()
	f, err := Follow(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	return f
}

// wantHeld checks that a crate has that many versions.
func wantHeld(t *testing.T, f *Follower, name string, want int) {
	t.Helper()
	var held []Version
	err := f.Read(t.Context(), func(c *Catalog) (err error) {
		held, err = c.Versions(t.Context(), name)
		return err
	})
	if err != nil || len(held) != want {
		t.Errorf("%s: %d versions, %v; want %d", name, len(held), err, want)
	}
}

func wantChanged(t *testing.T, f *Follower, want bool) {
	t.Helper()
	if changed, err := f.Refresh(t.Context()); err != nil || changed != want {
		t.Errorf("changed: %v, %v; want %v", changed, err, want)
	}
}

func writer(t *testing.T, path string) *Catalog {
	t.Helper()
	c, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestFollow(t *testing.T) {
	path := filepath.Join(t.TempDir(), "catalog.db")
	f := follow(t, path)
	if err := f.Read(t.Context(), func(*Catalog) error { return nil }); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("before there is one: %v", err)
	}
	wantChanged(t, f, false)

	w := writer(t, path)
	wantChanged(t, f, true)
	wantChanged(t, f, false)
	mustCommit(t, w, Batch{Versions: []Version{version("a", "1.0.0", 1)}})
	wantHeld(t, f, "a", 1)
	wantChanged(t, f, true)
	wantChanged(t, f, false)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	// A later run is seen by a reader from before, and by one that starts when there is no
	// writer.
	late := follow(t, path)
	wantHeld(t, late, "a", 1)
	w = writer(t, path)
	defer w.Close()
	mustCommit(t, w, Batch{Versions: []Version{version("a", "1.1.0", 2)}})
	wantHeld(t, f, "a", 2)
	wantHeld(t, late, "a", 2)
}

// TestFollowLeavesNothing: a Follower leaves neither files nor a log for which the next
// reader would need write access.
func TestFollowLeavesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "catalog.db")
	w := writer(t, path)
	mustCommit(t, w, Batch{Versions: []Version{version("a", "1.0.0", 1)}})
	w.Close()
	f := follow(t, path)
	wantHeld(t, f, "a", 1)
	if diff := cmp.Diff([]string{"catalog.db"}, names(t, filepath.Dir(path))); diff != "" {
		t.Errorf("while nobody writes:\n%s", diff)
	}
	w = writer(t, path)
	mustCommit(t, w, Batch{Versions: []Version{version("b", "1.0.0", 1)}})
	wantHeld(t, f, "b", 1)
	w.Close()
	if logOf(path).exists() {
		t.Error("the writer left a write-ahead log because of a reader")
	}
	wantHeld(t, f, "b", 1)
}

// TestFollowShortWriter: a writer that came and went between two readings has written to
// the file that is read as immutable.
func TestFollowShortWriter(t *testing.T) {
	path := filepath.Join(t.TempDir(), "catalog.db")
	writer(t, path).Close()
	f := follow(t, path)
	for n := range 3 {
		w := writer(t, path)
		var batch Batch
		for i := range 500 {
			batch.Versions = append(batch.Versions, version(fmt.Sprintf("crate-%d", i), fmt.Sprintf("1.%d.0", n), 1))
		}
		mustCommit(t, w, batch)
		w.Close()
		wantHeld(t, f, "crate-499", n+1)
	}
}

// TestFollowReplaced: a damaged catalog is moved away with its log, and rebuilt under its
// name.
func TestFollowReplaced(t *testing.T) {
	for _, writing := range []bool{false, true} {
		path := filepath.Join(t.TempDir(), "catalog.db")
		w := writer(t, path)
		mustCommit(t, w, Batch{Versions: []Version{version("old", "1.0.0", 1)}})
		if !writing {
			w.Close()
		}
		f := follow(t, path)
		wantHeld(t, f, "old", 1)
		for _, ext := range []string{"", "-wal", "-shm"} {
			if err := os.Rename(path+ext, path+".damaged"+ext); err != nil && !errors.Is(err, fs.ErrNotExist) {
				t.Fatal(err)
			}
		}
		wantChanged(t, f, false)
		wantHeld(t, f, "old", 1) // until there is another one
		if writing {
			w.Close()
		}
		w = writer(t, path)
		mustCommit(t, w, Batch{Versions: []Version{version("new", "1.0.0", 1)}})
		wantChanged(t, f, true)
		wantHeld(t, f, "old", 0)
		wantHeld(t, f, "new", 1)
		w.Close()
	}
}

// TestFollowDamaged: what was read before can still be read.
func TestFollowDamaged(t *testing.T) {
	path := filepath.Join(t.TempDir(), "catalog.db")
	w := writer(t, path)
	mustCommit(t, w, Batch{Versions: []Version{version("a", "1.0.0", 1)}})
	w.Close()
	f := follow(t, path)
	if err := os.Rename(path, path+".aside"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("no database"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Refresh(t.Context()); !errors.Is(err, ErrDamaged) {
		t.Errorf("Refresh: %v", err)
	}
	wantHeld(t, f, "a", 1)
}

// TestE16FollowNewerFormat: while the catalog has a newer program's format, Refresh returns
// an error.
func TestE16FollowNewerFormat(t *testing.T) {
	c, path := tempCatalog(t)
	mustCommit(t, c, Batch{Versions: []Version{version("a", "1.0.0", 1)}})
	f := follow(t, path)
	if _, err := c.db.Exec("PRAGMA user_version = 99"); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if changed, err := f.Refresh(t.Context()); err == nil || changed || !strings.Contains(err.Error(), "format 99") {
			t.Errorf("Refresh: %v, %v", changed, err)
		}
	}
}

// TestC21FollowUnderWriting: readers beside a writer that comes and goes always see whole
// batches, and never fewer than before.
func TestC21FollowUnderWriting(t *testing.T) {
	path := filepath.Join(t.TempDir(), "catalog.db")
	writer(t, path).Close()
	f := follow(t, path)
	ctx, stop := context.WithCancel(t.Context())
	var readers sync.WaitGroup
	for range 3 {
		readers.Go(func() {
			least := 0
			for ctx.Err() == nil {
				var a, b []Version
				err := f.Read(t.Context(), func(c *Catalog) (err error) {
					if a, err = c.Versions(t.Context(), "a"); err == nil {
						b, err = c.Versions(t.Context(), "b")
					}
					return err
				})
				if err != nil || len(a) < least || len(b) < len(a) {
					t.Errorf("%d of a, %d of b after %d: %v", len(a), len(b), least, err)
					return
				}
				least = len(a)
			}
		})
	}
	for n := range 4 {
		w := writer(t, path)
		for i := range 10 {
			v := fmt.Sprintf("%d.%d.0", n, i)
			mustCommit(t, w, Batch{Versions: []Version{version("a", v, 1), version("b", v, 1)}})
		}
		w.Close()
	}
	stop()
	readers.Wait()
	wantHeld(t, f, "a", 40)
}

// TestFollowChangeThatAReadingSaw: after a reading has reopened the catalog, Refresh still
// reports the change.
func TestFollowChangeThatAReadingSaw(t *testing.T) {
	path := filepath.Join(t.TempDir(), "catalog.db")
	writer(t, path).Close()
	f := follow(t, path)
	wantChanged(t, f, false)
	w := writer(t, path)
	defer w.Close()
	mustCommit(t, w, Batch{Versions: []Version{version("a", "1.0.0", 1)}})
	wantHeld(t, f, "a", 1)
	wantChanged(t, f, true)
	wantChanged(t, f, false)
}

// TestFollowLogThatGoesAway: the writer ends between the check for its log and the opening.
// The Follower still sees what the next writer commits.
func TestFollowLogThatGoesAway(t *testing.T) {
	path := filepath.Join(t.TempDir(), "catalog.db")
	writer(t, path).Close()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	c, err := openFollowed(t.Context(), path, info, logState{size: 1})
	if err != nil {
		t.Fatal(err)
	}
	f := &Follower{path: path, now: c}
	defer f.Close()
	w := writer(t, path)
	defer w.Close()
	mustCommit(t, w, Batch{Versions: []Version{version("a", "1.0.0", 1)}})
	wantChanged(t, f, true)
	wantHeld(t, f, "a", 1)
}
