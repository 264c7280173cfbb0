package bundled

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle/lists"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store/loose"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store/storetest"
)

// told is a Catalog that remembers what it was told.
type told struct {
	known   map[string]bool
	members map[crate.ID]store.Placement
}

func newTold() *told {
	return &told{map[string]bool{}, map[crate.ID]store.Placement{}}
}

func (c *told) Bundles() map[string]bool { return c.known }

func (c *told) Adopt(_ context.Context, name string, members []bundle.Member) error {
	for _, m := range members {
		c.members[m.ID] = store.Placement{Bundle: name, Offset: m.Offset, FrameSize: m.FrameSize}
	}
	return nil
}

func (c *told) Adopted(_ context.Context, b store.Bundle) error {
	c.known[b.Name] = true
	return nil
}

func tryOpen(fsys durable.FS, c *told, target int64, change func(*Config)) (*Store, error) {
	l, err := loose.Open(fsys, loose.Batch)
	if err != nil {
		return nil, err
	}
	cfg := Config{
		Folder: fsys, Loose: l, Catalog: c, Target: target,
		URL: func(id crate.ID, _ crate.Checksum) string { return "https://example.org/" + id.URLPath() },
	}
	if change != nil {
		change(&cfg)
	}
	return Open(context.Background(), cfg)
}

// openIn opens a store whose bundles and loose files share a folder.
func openIn(t *testing.T, fsys durable.FS, c *told, target int64) *Store {
	t.Helper()
	s, err := tryOpen(fsys, c, target, nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestContract(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"only":  nil,
		"add":   func(c *Config) { c.KeepLoose = true },
		"small": func(c *Config) { c.Target = 1 }, // every crate has its own bundle
	} {
		t.Run(name, func(t *testing.T) {
			storetest.Run(t, func(t *testing.T, fsys durable.FS) storetest.Store {
				s, err := tryOpen(fsys, newTold(), 1<<20, change)
				if err != nil {
					t.Fatal(err)
				}
				return s
			})
		})
	}
}

func id(n int) crate.ID { return crate.ID{Name: fmt.Sprintf("crate-%d", n), Version: "1.0.0"} }

func text(n int) string { return fmt.Sprintf("bytes of %d", n) }

func put(t *testing.T, s *Store, n int) store.Placement {
	t.Helper()
	at, err := s.Put(context.Background(), id(n), store.Body{Data: []byte(text(n)), Size: int64(len(text(n)))})
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func checkpoint(t *testing.T, s *Store) store.Outcome {
	t.Helper()
	done, err := s.Checkpoint(context.Background())
	if err != nil || len(done.Refused) > 0 {
		t.Fatalf("Checkpoint = %+v, %v", done, err)
	}
	return done
}

func finish(t *testing.T, s *Store) store.Outcome {
	t.Helper()
	done, err := s.Finish(context.Background())
	if err != nil || len(done.Refused) > 0 {
		t.Fatalf("Finish = %+v, %v", done, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return done
}

func read(s store.Reader, id crate.ID, at store.Placement) (string, error) {
	c, err := s.Open(context.Background(), crate.Key{ID: id}, at)
	if err != nil {
		return "", err
	}
	defer c.Close()
	data, err := io.ReadAll(c)
	return string(data), err
}

func wantRead(t *testing.T, s store.Reader, n int, at store.Placement) {
	t.Helper()
	if got, err := read(s, id(n), at); err != nil || got != text(n) {
		t.Errorf("%v at %+v is %q, %v", id(n), at, got, err)
	}
}

// names lists the files of a folder of bundles.
func names(t *testing.T, fsys durable.Reader) (list []string) {
	t.Helper()
	entries, err := fsys.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !e.IsDir() {
			list = append(list, e.Name())
		}
	}
	return list
}

// What a run leaves can be carried: bundle, manifest, catalog line, all of them
// telling the same.
func TestFinish(t *testing.T) {
	mem := durabletest.NewMem()
	s := openIn(t, mem, newTold(), 1<<20)
	at := put(t, s, 1)
	put(t, s, 2)
	done := finish(t, s)
	want := []string{"bundle-0000-crate-1-to-crate-2.manifest.jsonl", "bundle-0000.tar.zst", "bundles.index.jsonl"}
	if diff := cmp.Diff(want, names(t, mem)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	data, err := durable.ReadFile(mem, "bundle-0000.tar.zst", 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	b := store.Bundle{Name: "bundle-0000.tar.zst", Entries: 2, Bytes: int64(len(text(1)) * 2), Checksum: sha256.Sum256(data)}
	if diff := cmp.Diff([]store.Bundle{b}, done.Finished); diff != "" {
		t.Errorf("Finished (-want +got):\n%s", diff)
	}
	f, err := mem.Open(want[0])
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var got []lists.ManifestEntry
	for e, err := range lists.ReadManifest(f) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, e)
	}
	first := lists.ManifestEntry{URL: "https://example.org/crate-1/crate-1-1.0.0.crate", Member: bundle.Member{
		ID: id(1), Size: int64(len(text(1))), Checksum: sha256.Sum256([]byte(text(1))),
		Placement: bundle.Placement{Offset: at.Offset, FrameSize: at.FrameSize},
	}}
	if len(got) != 2 || got[0] != first {
		t.Errorf("manifest = %+v, want first %+v", got, first)
	}
	f, err = mem.Open(lists.CatalogName)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for e, err := range lists.ReadCatalog(f) {
		if err != nil || e.Manifest != want[0] || e.Checksum != b.Checksum || e.FileSize != int64(len(data)) || e.Members != 2 {
			t.Errorf("catalog line %+v, %v", e, err)
		}
	}
}

func TestE1SecondRunTakesTheNextNumber(t *testing.T) {
	mem := durabletest.NewMem()
	c := newTold()
	for run := range 3 {
		s := openIn(t, mem, c, 1<<20)
		if at := put(t, s, run); at.Bundle != bundle.FileName(run) {
			t.Errorf("run %d puts into %s", run, at.Bundle)
		}
		c.known[finish(t, s).Finished[0].Name] = true
	}
	// Bundles were carried away, and the catalog of the folder with them: records of
	// bundle-0002 must never name another one.
	c.known["bundle-0007.tar.zst"] = false
	s := openIn(t, durabletest.NewMem(), c, 1<<20)
	if at := put(t, s, 9); at.Bundle != "bundle-0008.tar.zst" {
		t.Errorf("in a new folder: %s", at.Bundle)
	}
}

// A run that has nothing to put leaves nothing.
func TestFinishNothing(t *testing.T) {
	mem := durabletest.NewMem()
	done := finish(t, openIn(t, mem, newTold(), 1))
	if left := names(t, mem); len(left) > 0 || len(done.Finished) > 0 {
		t.Errorf("left %v, finished %v", left, done.Finished)
	}
}

func TestE13CrateLargerThanTarget(t *testing.T) {
	mem := durabletest.NewMem()
	s := openIn(t, mem, newTold(), 1<<10)
	big := crate.ID{Name: "big", Version: "1.0.0"}
	sp, err := s.NewSpill()
	if err != nil {
		t.Fatal(err)
	}
	var data [2 << 20]byte
	rand.NewChaCha8([32]byte{}).Read(data[:])
	body := string(data[:])
	if _, err := io.WriteString(sp, body); err != nil {
		t.Fatal(err)
	}
	at, err := s.Put(context.Background(), big, store.Body{Spill: sp, Size: int64(len(body))})
	if err != nil {
		t.Fatal(err)
	}
	next := put(t, s, 1)
	if at.Bundle != "bundle-0000.tar.zst" || next.Bundle != "bundle-0001.tar.zst" {
		t.Errorf("the large crate is in %s, the next one in %s", at.Bundle, next.Bundle)
	}
	if got, err := read(s, big, at); err != nil || got != body {
		t.Errorf("the large crate has %d bytes, %v", len(got), err)
	}
	if done := checkpoint(t, s); len(done.Finished) != 1 || done.Finished[0].Name != at.Bundle {
		t.Errorf("finished %+v", done.Finished)
	}
}

// E8: manifests and the catalog of the folder are conveniences.
func TestE8LostDescriptions(t *testing.T) {
	mem := durabletest.NewMem()
	s := openIn(t, mem, newTold(), 1)
	put(t, s, 1)
	put(t, s, 2)
	finish(t, s)
	read := func(name string) string {
		data, err := durable.ReadFile(mem, name, 1<<20)
		if err != nil {
			t.Error(err)
		}
		return string(data)
	}
	want := map[string]string{}
	for _, name := range names(t, mem) {
		want[name] = read(name)
		if strings.HasSuffix(name, ".jsonl") {
			if err := mem.Remove(name); err != nil {
				t.Fatal(err)
			}
		}
	}
	c := newTold()
	openIn(t, mem, c, 1)
	got := map[string]string{}
	for _, name := range names(t, mem) {
		got[name] = read(name)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	if len(c.members) != 2 || !c.known[bundle.FileName(0)] || !c.known[bundle.FileName(1)] {
		t.Errorf("told %+v", c)
	}
}

func TestE14BundleMissing(t *testing.T) {
	mem := durabletest.NewMem()
	s := openIn(t, mem, newTold(), 1)
	at := put(t, s, 1)
	finish(t, s)
	if err := mem.Remove(at.Bundle); err != nil {
		t.Fatal(err)
	}
	s = openIn(t, mem, newTold(), 1)
	if storetest.Listing(t, s).Holds(id(1), at, int64(len(text(1)))) {
		t.Error("it is said to be held")
	}
	if _, err := read(s, id(1), at); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Open: %v", err)
	}
}

// Another crate at the place is not the crate.
func TestOpenChecksTheMember(t *testing.T) {
	s := openIn(t, durabletest.NewMem(), newTold(), 1<<20)
	at := put(t, s, 1)
	if _, err := read(s, id(2), at); err == nil || !strings.Contains(err.Error(), "crate-1 1.0.0 is at offset 0") {
		t.Errorf("Open: %v", err)
	}
	at.Bundle = "../bundle-0000.tar.zst"
	if _, err := read(s, id(1), at); err == nil {
		t.Error("a bundle elsewhere was opened")
	}
}

// A member that is being read stays open while others push its bundle out.
func TestManyReaders(t *testing.T) {
	s := openIn(t, durabletest.NewMem(), newTold(), 1)
	var places []store.Placement
	for n := range 3 * openFiles {
		places = append(places, put(t, s, n))
	}
	checkpoint(t, s)
	first, err := s.Open(t.Context(), crate.Key{ID: id(0)}, places[0])
	if err != nil {
		t.Fatal(err)
	}
	for n, at := range places {
		wantRead(t, s, n, at)
	}
	if n := len(s.readers.open); n != openFiles {
		t.Errorf("%d bundles are open, want %d", n, openFiles)
	}
	if got, err := io.ReadAll(first); err != nil || string(got) != text(0) {
		t.Errorf("the first one: %q, %v", got, err)
	}
	if err := errors.Join(first.Close(), s.Close()); err != nil {
		t.Error(err)
	}
}

// TestH7Replaced: a reader of a bundle that is kept open continues; the next one gets the
// file that has its name by now.
func TestH7Replaced(t *testing.T) {
	dir := t.TempDir()
	fsys, err := durable.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer fsys.Close()
	s := openIn(t, fsys, newTold(), 1<<20)
	at := put(t, s, 1)
	checkpoint(t, s)
	r := OpenReadOnly(fsys, s.Loose)
	defer r.Close()
	wantRead(t, r, 1, at) // unfinished
	more := put(t, s, 2)
	finish(t, s)
	wantRead(t, r, 2, more) // grown, and with its final name
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	open, err := r.Open(t.Context(), crate.Key{ID: id(1)}, at)
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	name := filepath.Join(dir, at.Bundle)
	if err := os.Rename(name, name+".away"); err != nil {
		t.Fatal(err)
	}
	if _, err := read(r, id(1), at); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("deleted: %v", err)
	}
	if got, err := io.ReadAll(open); err != nil || string(got) != text(1) {
		t.Errorf("open before: %q, %v", got, err)
	}
	if err := os.WriteFile(name, []byte(strings.Repeat("another ", 1000)), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := read(r, id(1), at); !errors.Is(err, bundle.ErrFormat) {
		t.Errorf("replaced: %v", err)
	}
}
