package importtree

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/plan"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/simreg"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store/loose"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/upstream"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a registry, its index, and a tree to be filled.
type world struct {
	t    *testing.T
	reg  *simreg.Registry
	ix   *index.Index
	dir  string
	tree *Tree
	mem  *durabletest.Mem // scratch, and the store
}

func newWorld(t *testing.T, text string) *world {
	w := &world{t: t, reg: simreg.New(simreg.MustParse(text)...), dir: t.TempDir(), mem: durabletest.NewMem()}
	dir := t.TempDir()
	err := w.reg.WriteIndex(dir)
	if err == nil {
		w.ix, err = index.Open(t.Context(), dir, index.Options{})
	}
	if err == nil {
		w.tree, err = OpenTree(w.dir)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.ix.Close(); w.tree.Close() })
	return w
}

// put writes the bytes of a version to a path of the tree.
func (w *world) put(name, version, path string) {
	w.t.Helper()
	data, err := w.reg.CrateBytes(crate.ID{Name: name, Version: version})
	if err != nil {
		w.t.Fatal(err)
	}
	w.write(path, data)
}

func (w *world) write(path string, data []byte) {
	w.t.Helper()
	file := filepath.Join(w.dir, filepath.FromSlash(path))
	err := os.MkdirAll(filepath.Dir(file), 0o755)
	if err == nil {
		err = os.WriteFile(file, data, 0o600)
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) open(change func(*Config)) *Import {
	w.t.Helper()
	cfg := Config{Trees: []*Tree{w.tree}, Index: w.ix, Scratch: w.mem, Sharing: Copy}
	if change != nil {
		change(&cfg)
	}
	im, err := Open(w.t.Context(), cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	return im
}

// items are what the source of an import names, as "name version: path in the tree".
func (w *world) items(im *Import) (list []string, items []plan.Item) {
	w.t.Helper()
	var last string
	err := im.Source().Groups(w.t.Context(), func(string, string) (bool, string) { return true, "" }, func(g *plan.Group) error {
		if g.Path <= last {
			w.t.Errorf("%s comes after %s", g.Path, last)
		}
		last = g.Path
		for _, it := range g.Entries {
			p, err := im.placeOf(it.URL)
			if err != nil {
				return err
			}
			list, items = append(list, it.ID.String()+": "+p.File), append(items, it)
		}
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return list, items
}

// fetch asks for an item and returns its bytes.
func (w *world) fetch(im *Import, st *loose.Store, it plan.Item) ([]byte, error) {
	var spill store.Spill
	body, _, err := im.Fetch(w.t.Context(), upstream.Request{ID: it.ID, URL: it.URL, Checksum: it.Checksum,
		Spill: func() (_ upstream.Spill, err error) { spill, err = st.NewSpill(); return spill, err }})
	if spill != nil {
		defer spill.Discard()
	}
	if err != nil {
		return nil, err
	}
	defer body.Release()
	if body.Spill == nil {
		return body.Data, nil
	}
	return io.ReadAll(io.NewSectionReader(spill, 0, body.Size))
}

func (w *world) store() *loose.Store {
	st, err := loose.Open(w.mem, loose.Batch)
	if err != nil {
		w.t.Fatal(err)
	}
	return st
}

const versions = `
	serde 1.0.0
	serde 1.0.1 yanked
	a 0.1.0
	Foo-1 0.1.0
	big 1.0.0+x
	  size 700000
	last 1.0.0
`

// Crates under any name in a tree are found, others are not, and the sort on disk and the
// passes over the index give the same results however small they are.
func TestFinds(t *testing.T) {
	for _, small := range []bool{false, true} {
		w := newWorld(t, versions)
		w.put("serde", "1.0.0", "panamax/crates/se/rd/serde/1.0.0/serde-1.0.0.crate")
		w.put("serde", "1.0.0", "copy/serde-1.0.0.crate")
		w.put("serde", "1.0.1", "x/serde/1.0.1/download")
		w.put("a", "0.1.0", "hashes/0a/1b2c")
		w.put("Foo-1", "0.1.0", "foo-1-0.1.0.crate") // as where names are folded
		w.put("big", "1.0.0+x", "blobs/big.bin")
		w.put("big", "1.0.0+x", "blobs/copy.bin")
		w.put("a", "0.1.0", "other-9.9.9.crate") // its name tells, whatever is in it
		w.put("a", "0.1.0", "a-0.2.0.crate")
		w.put("last", "1.0.0", ".git/objects/last-1.0.0.crate")
		w.put("last", "1.0.0", "dist/rust.tar.gz")
		w.write("text/serde", []byte("{}"))
		w.write("text/empty", nil)
		w.write("text/gzip", append(gzipHead[:], "but no crate"...))
		im := w.open(func(cfg *Config) {
			if small {
				cfg.table, cfg.run = 1, 1
			}
		})
		got, items := w.items(im)
		want := []string{
			"a 0.1.0: hashes/0a/1b2c", "big 1.0.0+x: blobs/big.bin", "Foo-1 0.1.0: foo-1-0.1.0.crate",
			"serde 1.0.0: copy/serde-1.0.0.crate", "serde 1.0.1: x/serde/1.0.1/download",
		}
		slices.Sort(got)
		slices.Sort(want)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("small=%t (-want +got):\n%s", small, diff)
		}
		r := im.Report()
		if r.Versions != 5 || r.Copies != 2 || r.Unnamed != 2 || r.Matched != 3 || r.Failed != 0 {
			t.Errorf("small=%t: %+v", small, r)
		}
		st := w.store()
		for _, it := range items {
			data, err := w.fetch(im, st, it)
			if want, _ := w.reg.CrateBytes(it.ID); err != nil || !bytes.Equal(data, want) {
				t.Errorf("%s: %d bytes, want %d: %v", it.ID, len(data), len(want), err)
			}
			if it.Yanked != (it.Version == "1.0.1") {
				t.Errorf("%s: yanked %t", it.ID, it.Yanked)
			}
		}
		if err := im.Close(); err != nil {
			t.Fatal(err)
		}
		entries, err := w.mem.ReadDir(".")
		for _, e := range entries {
			if !e.IsDir() {
				t.Errorf("%s is left in the scratch folder (%v)", e.Name(), err)
			}
		}
	}
}

// Entries of a tree that are no files are not opened and not followed; a folder of the
// mirror is left out.
func TestLeavesOut(t *testing.T) {
	w := newWorld(t, versions)
	w.put("a", "0.1.0", "mirror/a-0.1.0.crate")
	w.put("a", "0.1.0", "sub/.clonecratesio/tmp/a-0.1.0.crate")
	outside := t.TempDir()
	data, _ := w.reg.CrateBytes(crate.ID{Name: "last", Version: "1.0.0"})
	if err := os.WriteFile(filepath.Join(outside, "last-1.0.0.crate"), data, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, link := range [][2]string{{outside, "folder"}, {filepath.Join(outside, "last-1.0.0.crate"), "last-1.0.0.crate"}, {w.dir, "loop"}} {
		if err := os.Symlink(link[0], filepath.Join(w.dir, link[1])); err != nil {
			t.Skip(err)
		}
	}
	own, err := os.Stat(filepath.Join(w.dir, "mirror"))
	if err != nil {
		t.Fatal(err)
	}
	im := w.open(func(cfg *Config) { cfg.Skip = append(cfg.Skip, own) })
	if got, _ := w.items(im); len(got) > 0 {
		t.Errorf("found %q", got)
	}
	if r := im.Report(); r.Others != 3 || r.Files != 0 {
		t.Errorf("%+v", r)
	}
}

// A damaged file costs that file: another copy is taken; without one, the version is
// told of, with its path.
func TestDamaged(t *testing.T) {
	for _, sharing := range []Sharing{Copy, Reflink, Link} {
		w := newWorld(t, versions)
		w.write("1/serde-1.0.0.crate", []byte("damaged"))
		w.write("2/serde-1.0.0.crate", bytes.Repeat([]byte("x"), inMemory+1))
		w.put("serde", "1.0.0", "3/serde-1.0.0.crate")
		w.write("1/a-0.1.0.crate", nil)
		im := w.open(func(cfg *Config) { cfg.Sharing = sharing })
		_, items := w.items(im)
		st := w.store()
		for _, it := range items {
			data, err := w.fetch(im, st, it)
			if it.Name == "serde" {
				if want, _ := w.reg.CrateBytes(it.ID); err != nil || !bytes.Equal(data, want) {
					t.Errorf("serde: %d bytes, %v", len(data), err)
				}
				continue
			}
			var wrong *crate.ChecksumError
			if !errors.As(err, &wrong) || !strings.Contains(err.Error(), filepath.Join("1", "a-0.1.0.crate")) {
				t.Errorf("%s: %v", it.ID, err)
			}
		}
		if r := im.Report(); r.Damaged != 1 {
			t.Errorf("%+v", r)
		}
	}
}

// growing is a tree whose files are written to while they are read.
type growing struct {
	durable.Reader
	dir string
}

func (g growing) Open(name string) (durable.File, error) {
	f, err := g.Reader.Open(name)
	return growingFile{f, filepath.Join(g.dir, name)}, err
}

type growingFile struct {
	durable.File
	path string
}

func (f growingFile) State() (durable.State, error) { return durable.StateOf(f.File) }

func (f growingFile) Read(p []byte) (int, error) {
	n, err := f.File.Read(p)
	if out, openErr := os.OpenFile(f.path, os.O_APPEND|os.O_WRONLY, 0); openErr == nil {
		fmt.Fprint(out, "more")
		out.Close()
	}
	return n, err
}

// A file that changes while it is read is not taken, whatever was read of it.
func TestChangesMeanwhile(t *testing.T) {
	for _, sharing := range []Sharing{Copy, Link} {
		w := newWorld(t, versions)
		w.put("a", "0.1.0", "a-0.1.0.crate")
		w.put("big", "1.0.0+x", "big-1.0.0+x.crate")
		w.tree.Folder = growing{w.tree.Folder, w.dir}
		im := w.open(func(cfg *Config) { cfg.Sharing = sharing })
		_, items := w.items(im)
		if len(items) != 2 {
			t.Fatalf("found %v", items)
		}
		for _, it := range items {
			if _, err := w.fetch(im, w.store(), it); !errors.Is(err, ErrChanged) {
				t.Errorf("%s: %v", it.ID, err)
			}
		}
	}
}

// Whatever goes wrong on the disk of the mirror while a tree is looked through is an
// error, or has not changed what is found; what it leaves, the next import removes.
func TestScratchFails(t *testing.T) {
	w := newWorld(t, versions)
	w.put("serde", "1.0.0", "serde-1.0.0.crate")
	w.put("a", "0.1.0", "hashes/0a1b")
	w.put("last", "1.0.0", "last-1.0.0.crate")
	fault := errors.New("fault")
	for n, done := 1, false; !done; n++ {
		if n > 500 {
			t.Fatal("it never ends")
		}
		done = true
		armed := true
		hooked := durabletest.Hook(w.mem, func(op durabletest.Op) durabletest.Fault {
			if op.N == n && armed {
				done = false
				return durabletest.Fault{Err: fault}
			}
			return durabletest.Fault{}
		})
		im, err := Open(t.Context(), Config{Trees: []*Tree{w.tree}, Index: w.ix, Scratch: hooked, table: 1, run: 2})
		armed = false
		if done && err != nil || err != nil && !errors.Is(err, fault) {
			t.Fatalf("operation %d: %v", n, err)
		}
		if im == nil {
			continue
		}
		if got, _ := w.items(im); len(got) != 3 {
			t.Errorf("after %d faults: %q", n-1, got)
		}
	}
}
