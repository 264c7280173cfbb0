package home_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/deep"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/home"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

// segment writes a segment with one crate.
func segment(t *testing.T, dir string, key crate.Key, data []byte) {
	t.Helper()
	w, folder := part(t, dir, key, data)
	_, err := w.Finish()
	if err == nil {
		err = w.Publish()
	}
	if err = errors.Join(err, folder.Close()); err != nil {
		t.Fatal(err)
	}
}

// part begins a segment with one crate.
func part(t *testing.T, dir string, key crate.Key, data []byte) (*deep.Writer, durable.FS) {
	t.Helper()
	folder, err := durable.Create(dir)
	if err != nil {
		t.Fatal(err)
	}
	source := deep.Source{Key: key, Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil }}
	p, err := deep.Build(t.Context(), []deep.Source{source}, deep.Options{})
	if err != nil {
		t.Fatal(err)
	}
	w, err := deep.Create(folder, deep.FileName(0))
	if err != nil {
		t.Fatal(err)
	}
	if _, err = w.Append(p); err != nil {
		t.Fatal(err)
	}
	return w, folder
}

// The segment that is being written has the only copies of what is in it. A catalog
// that was lost learns of them, and one that knows of any does not ask again: what was
// pruned since must not come back.
func TestUnfinishedSegment(t *testing.T) {
	d := in(t.TempDir())
	data := []byte("no gzip, and so kept as it is")
	key := crate.Key{ID: crate.ID{Name: "foo", Version: "1.0.0"}, Checksum: sha256.Sum256(data)}
	s, folder := part(t, d.Deep, key, data)
	if err := errors.Join(s.Close(), folder.Close()); err != nil {
		t.Fatal(err)
	}
	for _, want := range []int{1, 0} {
		w := open(t, d, nil)
		rows, err := w.Catalog.Versions(t.Context(), "foo")
		if err != nil || len(rows) != want {
			t.Fatalf("rows %+v, %v; want %d", rows, err, want)
		}
		for i := range rows {
			if sum, _, err := store.Hash(t.Context(), w.Store, key, rows[i].Placement, io.Discard); err != nil || sum != key.Checksum {
				t.Errorf("%s, %v", sum, err)
			}
		}
		if segments, err := w.Catalog.Segments(t.Context()); err != nil || len(segments) != 1 || segments[0].Whole {
			t.Errorf("segments %+v, %v", segments, err)
		}
		err = w.Catalog.Commit(t.Context(), catalog.Batch{Dropped: []crate.Key{key}})
		if err = errors.Join(err, w.Close()); err != nil {
			t.Fatal(err)
		}
	}
}

// Adopting that was cut off is done from the beginning, of a finished segment and of
// one that is being written; and a segment that was removed and came back is read again.
func TestAdoptedAgain(t *testing.T) {
	data := []byte("no gzip, and so kept as it is")
	key := crate.Key{ID: crate.ID{Name: "foo", Version: "1.0.0"}, Checksum: sha256.Sum256(data)}
	name := deep.FileName(0)
	for what, said := range map[string]catalog.Bundle{"cut off": catalog.Adopting(name), "removed": {Name: name, Whole: true}} {
		for _, finished := range []bool{true, false} {
			if !finished && said.Whole {
				continue
			}
			d := in(t.TempDir())
			if finished {
				segment(t, d.Deep, key, data)
			} else {
				s, folder := part(t, d.Deep, key, data)
				if err := errors.Join(s.Close(), folder.Close()); err != nil {
					t.Fatal(err)
				}
			}
			for range 2 {
				w := open(t, d, nil)
				rows, err := w.Catalog.Versions(t.Context(), "foo")
				if err != nil || len(rows) != 1 || rows[0].Deep.Segment != name {
					t.Errorf("%s, finished %t: rows %+v, %v", what, finished, rows, err)
				}
				segments, err := w.Catalog.Segments(t.Context())
				if err != nil || len(segments) != 1 || segments[0].Whole != finished || segments[0].Adopting() || segments[0].Thrown() {
					t.Errorf("%s, finished %t: segments %+v, %v", what, finished, segments, err)
				}
				err = w.Catalog.Commit(t.Context(), catalog.Batch{Dropped: []crate.Key{key}, Segments: []catalog.Bundle{said}})
				if err = errors.Join(err, w.Close()); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}

// A segment that the catalog does not know is adopted; what is in it is given out to
// runs and readers; and a store that finishes bundles does so behind it, too.
func TestDeep(t *testing.T) {
	d := in(t.TempDir())
	data := []byte("no gzip, and so kept as it is")
	key := crate.Key{ID: crate.ID{Name: "foo", Version: "1.0.0"}, Checksum: sha256.Sum256(data)}
	segment(t, d.Deep, key, data)
	var at store.Placement
	for _, bundle := range []bool{false, true} {
		w := open(t, d, func(cfg *home.Config) { cfg.Bundles.Write = bundle })
		if _, is := w.Store.(store.Finisher); is != bundle {
			t.Errorf("bundles %t: a store that finishes: %t", bundle, is)
		}
		rows, err := w.Catalog.Versions(t.Context(), "foo")
		if err != nil || len(rows) != 1 || rows[0].Key() != key || rows[0].Deep.Segment != deep.FileName(0) {
			t.Fatalf("rows %+v, %v", rows, err)
		}
		at = rows[0].Placement
		if sum, _, err := store.Hash(t.Context(), w.Store, key, at, io.Discard); err != nil || sum != key.Checksum {
			t.Errorf("bundles %t: %s, %v", bundle, sum, err)
		}
		if segments, err := w.Catalog.Segments(t.Context()); err != nil || len(segments) != 1 || !segments[0].Whole || segments[0].Entries != 1 {
			t.Errorf("segments %+v, %v", segments, err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	// The cache has one user at a time; the other one does without.
	cached := filepath.Join(d.DeepCache(), key.Checksum.String())
	for n := range 2 {
		s, err := home.OpenStores(&d, home.Limits{DeepCache: 1 << 20})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		if sum, _, err := store.Hash(t.Context(), s, key, at, io.Discard); err != nil || sum != key.Checksum {
			t.Errorf("reader %d: %s, %v", n, sum, err)
		}
		if _, err := os.Stat(cached); err != nil {
			t.Errorf("reader %d: %v", n, err)
		}
	}
}

// A run that begins the deep archive owns it: it may open it as often as it likes, and
// its store holds what is in there.
func TestOpenDeepAgain(t *testing.T) {
	d := in(t.TempDir())
	for _, bundle := range []bool{false, true} {
		w := open(t, d, func(cfg *home.Config) { cfg.Bundles.Write = bundle })
		for range 2 {
			if _, err := w.OpenDeep(); err != nil {
				t.Fatal(err)
			}
		}
		data := []byte("no gzip, and so kept as it is")
		key := crate.Key{ID: crate.ID{Name: "foo", Version: "1.0.0"}, Checksum: sha256.Sum256(data)}
		if !bundle {
			segment(t, d.Deep, key, data)
		}
		info, err := os.Stat(filepath.Join(d.Deep, deep.FileName(0)))
		if err != nil {
			t.Fatal(err)
		}
		l, err := w.Store.NewListing()
		if err != nil {
			t.Fatal(err)
		}
		if at := (store.Placement{Deep: store.DeepPlace{Segment: deep.FileName(0), PackSize: info.Size() - 1}}); !l.Holds(key.ID, at, int64(len(data))) {
			t.Errorf("bundles %t: what was packed is not held", bundle)
		}
		if _, is := w.Store.(store.Finisher); is != bundle {
			t.Errorf("bundles %t: a store that finishes: %t", bundle, is)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
