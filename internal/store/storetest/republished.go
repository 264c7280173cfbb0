package storetest

import (
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"testing"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

// keyOf returns the key of the bytes of text.
func keyOf(id crate.ID, text string) crate.Key {
	return crate.Key{ID: id, Checksum: sha256.Sum256([]byte(text))}
}

// wantRepublished checks that republished/ has exactly these files.
func wantRepublished(t *testing.T, s Store, want map[crate.Key]string) {
	t.Helper()
	n := 0
	for f, err := range s.Republished() {
		if err != nil {
			t.Fatal(err)
		}
		n++
		content, err := s.Open(t.Context(), crate.Key{ID: f.ID}, f.At())
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(content)
		if err = errors.Join(err, content.Close()); err != nil {
			t.Fatal(err)
		}
		key := keyOf(f.ID, string(data))
		if text, ok := want[key]; !ok || text != string(data) || f.Key != key.Checksum.FileKey() || f.File != f.At().LoosePath(f.ID) {
			t.Errorf("%+v has %q", f, data)
		}
	}
	if n != len(want) {
		t.Errorf("%d files, want %d", n, len(want))
	}
}

func wantLoose(t *testing.T, s Store, id crate.ID, text string) {
	t.Helper()
	content, err := s.Open(t.Context(), crate.Key{ID: id}, store.Placement{Loose: true})
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(content)
	if err = errors.Join(err, content.Close()); err != nil || string(data) != text {
		t.Errorf("%v has %q, %v", id, data, err)
	}
}

// A loose file moved out of the way survives a power failure, and can be moved back.
func testRepublished(t *testing.T, open opener) {
	mem := durabletest.NewMem()
	s := open(t, mem)
	foo := keyOf(id("foo", "1.0.0"), "before")
	if !put(t, s, foo.ID, "before").Loose {
		t.Skip("its crates are not loose")
	}
	checkpoint(t, s)
	if err := s.MakeWay(foo); err != nil {
		t.Fatal(err)
	}
	put(t, s, foo.ID, "now")
	checkpoint(t, s)
	s = open(t, mem.Crash(rand.New(rand.NewPCG(1, 2))))
	wantRepublished(t, s, map[crate.Key]string{foo: "before"})
	wantLoose(t, s, foo.ID, "now")
	if err := s.TakePlace(foo); !errors.Is(err, fs.ErrExist) {
		t.Errorf("something stands in its place: %v", err)
	}
	if err := s.MakeWay(keyOf(foo.ID, "now")); err != nil {
		t.Fatal(err)
	}
	if err := s.TakePlace(foo); err != nil {
		t.Fatal(err)
	}
	wantRepublished(t, s, map[crate.Key]string{keyOf(foo.ID, "now"): "now"})
	wantLoose(t, s, foo.ID, "before")
}

// Earlier bytes of a version get their name at a Checkpoint, and survive a power failure
// after it.
func testKeep(t *testing.T, open opener) {
	mem := durabletest.NewMem()
	s := open(t, mem)
	foo := keyOf(id("foo", "1.0.0"), "before")
	if err := s.Keep(foo, body("before")); err != nil {
		t.Fatal(err)
	}
	wantRepublished(t, s, nil)
	checkpoint(t, s)
	s = open(t, mem.Crash(rand.New(rand.NewPCG(1, 2))))
	wantRepublished(t, s, map[crate.Key]string{foo: "before"})
	if _, err := s.Stat(foo.ID); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("under the version's name: %v", err)
	}
	s.AdoptKept(foo)
	checkpoint(t, s)
}

// files lists all files of a folder.
func files(t *testing.T, fsys durable.Reader) []string {
	t.Helper()
	var list []string
	var walk func(dir string)
	walk = func(dir string) {
		entries, err := fsys.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			name := e.Name()
			if dir != "." {
				name = dir + "/" + name
			}
			if e.IsDir() {
				walk(name)
			} else {
				list = append(list, name)
			}
		}
	}
	walk(".")
	return list
}
