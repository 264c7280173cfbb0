package repack

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/prune"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store/bundled"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store/loose"
)

// world is a mirror, loose or in bundles: files on a disk in memory, the catalog in
// a folder.
type world struct {
	t       *testing.T
	disk    *durabletest.Mem
	catalog string // folder
	change  func(*Config)
	data    map[crate.Key][]byte
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// crateFile is a gzip file that differs a little from version to version.
func crateFile(id crate.ID) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	for n := range 60 {
		fmt.Fprintf(z, "%x\n", sha256.Sum256(fmt.Append(nil, id.Name, n)))
	}
	fmt.Fprintln(z, id)
	if err := z.Close(); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// newWorld makes a mirror of crates with 1, 3 and 5 versions, and one with 70.
func newWorld(t *testing.T, inBundles bool) *world {
	t.Helper()
	w := &world{t: t, disk: durabletest.NewMem(), catalog: t.TempDir(), data: map[crate.Key][]byte{}, change: func(*Config) {}}
	must(t, w.disk.MkdirAll(loose.StateDir))
	for name, n := range map[string]int{"one": 1, "three": 3, "five": 5} {
		for i := range n {
			w.put(inBundles, crate.ID{Name: name, Version: fmt.Sprintf("1.%d.0", i)})
		}
	}
	must(t, w.disk.SyncAll())
	return w
}

// put adds versions to the mirror.
func (w *world) put(inBundles bool, ids ...crate.ID) {
	w.t.Helper()
	cat := w.open()
	defer cat.Close()
	s, l, err := w.stores(w.disk, cat)
	must(w.t, err)
	defer s.Close()
	var to store.Writer = l
	if inBundles {
		to = s
	}
	var batch catalog.Batch
	for _, id := range ids {
		data := crateFile(id)
		v := catalog.Version{ID: id, Checksum: sha256.Sum256(data), Size: int64(len(data)), Listed: true, VerifiedAt: time.Unix(1, 0)}
		v.Placement, err = to.Put(w.t.Context(), id, store.Body{Data: data, Size: v.Size})
		must(w.t, err)
		w.data[v.Key()] = data
		batch.Versions = append(batch.Versions, v)
	}
	if !inBundles {
		_, err = l.Checkpoint(w.t.Context())
		must(w.t, err)
	} else {
		done, err := s.Finish(w.t.Context())
		must(w.t, err)
		for _, b := range done.Finished {
			batch.Bundles = append(batch.Bundles, catalog.Bundle{Name: b.Name, Whole: true, Entries: b.Entries, Bytes: b.Bytes, Checksum: b.Checksum})
		}
	}
	must(w.t, cat.Commit(w.t.Context(), batch))
}

func (w *world) open() *catalog.Catalog {
	w.t.Helper()
	cat, err := catalog.Open(filepath.Join(w.catalog, "catalog.db"))
	must(w.t, err)
	return cat
}

func (w *world) stores(fsys durable.FS, cat *catalog.Catalog) (*bundled.Store, *loose.Store, error) {
	l, err := loose.Open(fsys, loose.Batch)
	if err != nil {
		return nil, nil, err
	}
	s, err := bundled.Open(context.Background(), bundled.Config{
		Folder: fsys, Loose: l, Catalog: adopter{cat}, Target: 3000,
		URL: func(id crate.ID, _ crate.Checksum) string { return "https://example.org/" + id.URLPath() },
	})
	return s, l, err
}

// adopter knows the bundles of the catalog.
type adopter struct{ *catalog.Catalog }

func (a adopter) Bundles() map[string]bool {
	known := map[string]bool{}
	list, _ := a.Catalog.Bundles(context.Background())
	for _, b := range list {
		known[b.Name] = b.Whole && !b.Thrown()
	}
	return known
}

func (a adopter) Adopt(ctx context.Context, name string, members []bundle.Member) error {
	var found []catalog.Version
	for _, m := range members {
		found = append(found, catalog.Version{ID: m.ID, Checksum: m.Checksum, Size: m.Size,
			Placement: store.Placement{Bundle: name, Offset: m.Offset, FrameSize: m.FrameSize}})
	}
	return a.Catalog.Adopt(ctx, found)
}

func (a adopter) Adopted(ctx context.Context, b store.Bundle) error {
	return a.Commit(ctx, catalog.Batch{Bundles: []catalog.Bundle{{Name: b.Name, Whole: true, Entries: b.Entries, Bytes: b.Bytes, Checksum: b.Checksum}}})
}

// originals are those of a loose mirror or one in bundles.
type originals struct {
	store.Remover
	compact func(context.Context) error
}

func (o originals) FreeBundles(ctx context.Context) error { return o.compact(ctx) }

// run packs, on w.disk or something around it.
func (w *world) run(fsys durable.FS) (Done, error) {
	w.t.Helper()
	cat := w.open()
	defer cat.Close()
	s, _, err := w.stores(fsys, cat)
	if err != nil {
		return Done{}, err
	}
	defer s.Close()
	segments, err := OpenSegments(context.Background(), fsys, crate.Shard{}, 20_000, cat, slog.New(slog.DiscardHandler))
	if err != nil {
		return Done{}, err
	}
	defer segments.Close()
	cfg := Config{Catalog: cat, Segments: segments, Workers: 2,
		Open: s.Open,
		Originals: originals{s, func(ctx context.Context) error {
			_, err := prune.Compact(ctx, cat, &prune.Bundles{Folder: fsys, Store: s, Discard: true}, slog.New(slog.DiscardHandler))
			return err
		}},
	}
	w.change(&cfg)
	return Run(context.Background(), cfg)
}

// rows returns all rows of the catalog.
func (w *world) rows() (rows []catalog.Version) {
	w.t.Helper()
	cat := w.open()
	defer cat.Close()
	rows, err := cat.Page(context.Background(), crate.ID{}, 1000)
	must(w.t, err)
	return rows
}

// check wants each version to be where the catalog says, and nowhere lost.
func (w *world) check(at string) {
	w.t.Helper()
	l := loose.OpenReadOnly(w.disk)
	s := bundled.OpenReadOnly(w.disk, l)
	defer s.Close()
	segments := &Segments{folder: w.disk}
	rows := w.rows()
	if len(rows) != len(w.data) {
		w.t.Errorf("%s: %d versions are held, want %d", at, len(rows), len(w.data))
	}
	for _, v := range rows {
		places := v.Places()
		var errs []error
		good := slices.ContainsFunc(places, func(p store.Placement) bool {
			data, err := w.read(s, segments, &v, p)
			if err == nil && !bytes.Equal(data, w.data[v.Key()]) {
				w.t.Errorf("%s: %s has other bytes in %s", at, v.ID, p)
			}
			if err != nil && !(p.Loose && errors.Is(err, fs.ErrNotExist)) { // removed, and not recorded
				w.t.Errorf("%s: %s in %s: %v", at, v.ID, p, err)
			}
			errs = append(errs, err)
			return err == nil
		})
		if !good {
			w.t.Errorf("%s: %s is lost: %s: %v", at, v.ID, v.Placement, errors.Join(errs...))
		}
	}
}

func (w *world) read(s store.Reader, segments *Segments, v *catalog.Version, at store.Placement) ([]byte, error) {
	if at.Deep.Segment != "" {
		return segments.Read(context.Background(), v.Key(), at.Deep)
	}
	c, err := s.Open(context.Background(), v.Key(), at)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(c)
	return data, errors.Join(err, c.Close())
}

// files lists what is in the folder by the ends of the names.
func (w *world) files(ext string) (names []string) {
	w.t.Helper()
	entries, err := w.disk.ReadDir(".")
	must(w.t, err)
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ext) {
			names = append(names, e.Name())
		}
	}
	return names
}

// on is the same world with another disk, and the catalog in another folder.
func (w *world) on(disk *durabletest.Mem, catalog string) *world {
	other := *w
	other.disk, other.catalog = disk, catalog
	return &other
}

// copyCatalog copies the catalog as a crash would leave it.
func (w *world) copyCatalog() string {
	w.t.Helper()
	dir := w.t.TempDir()
	for _, name := range []string{"catalog.db", "catalog.db-wal"} {
		data, err := os.ReadFile(filepath.Join(w.catalog, name))
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		must(w.t, err)
		must(w.t, os.WriteFile(filepath.Join(dir, name), data, 0o644))
	}
	return dir
}
