package reader

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
)

var serde100 = crate.ID{Name: "serde", Version: "1.0.0"}

// flip changes a byte of a file in its place, and when it was changed.
func flip(t *testing.T, file string, offset int64, changed time.Time) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	data[offset] ^= 0x40
	if err := os.WriteFile(file, data, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(file, changed, changed); err != nil {
		t.Fatal(err)
	}
}

func (w *world) loose(id crate.ID) string {
	return filepath.Join(w.out(), filepath.FromSlash(id.LoosePath()))
}

// TestH5Damaged: bytes that are not right are never given out, whenever they
// went wrong.
func TestH5Damaged(t *testing.T) {
	w := newWorld(t, "serde 1.0.0\nlarge 1.0.0\n  size 3000000")
	w.run(how{})
	v := w.view(nil)
	for _, id := range w.reg.IDs() {
		w.wantRead(v, id.Name, id.Version)
		file := w.loose(id)
		info, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		wantDamaged := func(what string) {
			t.Helper()
			_, err := read(t, v, id)
			damaged, ok := errors.AsType[*DamagedError](err)
			if !ok || damaged.ID != id || errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s: %s: %v", id, what, err)
			}
		}
		// What changes a file in place may keep its size and the time of its last
		// write (rsync --times --inplace); what was proved before must not count.
		flip(t, file, 100, info.ModTime())
		wantDamaged("flipped")
		wantDamaged("flipped, asked again")
		flip(t, file, 100, info.ModTime())
		w.wantRead(v, id.Name, id.Version)
		flip(t, file, 100, time.Now().Add(time.Hour))
		wantDamaged("flipped, with another time")
		if err := os.Truncate(file, info.Size()-1); err != nil {
			t.Fatal(err)
		}
		wantDamaged("cut")
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
		wantDamaged("removed")
		if err := os.Symlink(os.DevNull, file); err == nil {
			wantDamaged("a link")
		}
	}
}

// TestE15TwoCopies: of two copies the good one is given out, and the log
// names the other, once.
func TestE15TwoCopies(t *testing.T) {
	w := newWorld(t, small4)
	w.run(how{bundle: true, add: true, target: 1 << 20})
	var log logBuffer
	v := w.view(func(c *Config) { c.Log = log.logger() })
	flip(t, w.loose(serde100), 10, time.Now())
	for range 3 {
		w.wantRead(v, "serde", "1.0.0")
	}
	if n := strings.Count(log.String(), "damaged or missing"); n != 1 || !strings.Contains(log.String(), "crate=serde version=1.0.0") {
		t.Errorf("the log tells %d times:\n%s", n, log.String())
	}
	// The other way round.
	whole := filepath.Join(w.bundles(), "bundle-0000.tar.zst")
	if err := os.Truncate(whole, 100); err != nil {
		t.Fatal(err)
	}
	w.wantRead(v, "Inflector", "0.11.4")
	if _, err := read(t, v, serde100); !errors.As(err, new(*DamagedError)) {
		t.Errorf("both damaged: %v", err)
	}
}

// TestBundles: what is in bundles alone is read, small and large, also where the folder
// of bundles came after the view.
func TestBundles(t *testing.T) {
	w := newWorld(t, small4+"\nlarge 1.0.0\n  size 3000000")
	v := w.view(nil)
	w.run(how{bundle: true, target: 1 << 20})
	eventuallyShown(t, v, "large", "large 1.0.0")
	for _, id := range w.reg.IDs() {
		if _, err := os.Stat(w.loose(id)); !errors.Is(err, fs.ErrNotExist) {
			t.Fatalf("%s has a loose file: %v", id, err)
		}
		w.wantRead(v, id.Name, id.Version)
		w.wantRead(v, id.Name, id.Version)
	}
	f, err := v.Open(t.Context(), crate.ID{Name: "large", Version: "1.0.0"})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	want, err := w.reg.CrateBytes(f.ID)
	if err != nil {
		t.Fatal(err)
	}
	if at, err := f.Seek(-1000, io.SeekEnd); err != nil || at != f.Size()-1000 {
		t.Fatalf("Seek: %d, %v", at, err)
	}
	if tail, err := io.ReadAll(f); err != nil || !bytes.Equal(tail, want[len(want)-1000:]) {
		t.Errorf("the end: %d bytes, %v", len(tail), err)
	}
}

// TestC21Moved: a run moved a crate after the catalog was asked where it is.
func TestC21Moved(t *testing.T) {
	w := newWorld(t, small4)
	w.run(how{})
	var log logBuffer
	v := w.view(func(c *Config) { c.Log = log.logger() })
	row, err := v.row(t.Context(), serde100)
	if err != nil {
		t.Fatal(err)
	}
	w.run(how{bundle: true, target: 1 << 20})
	f, err := v.openRow(t.Context(), row)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	if strings.Contains(log.String(), "level=ERROR") {
		t.Errorf("moving is told as damage:\n%s", log.String())
	}
}

// TestH7BundleReplaced: an open reader continues, the next one gets what is there now.
func TestH7BundleReplaced(t *testing.T) {
	w := newWorld(t, "large 1.0.0\n  size 3000000")
	w.run(how{bundle: true, target: 1 << 20})
	v := w.view(nil)
	id := crate.ID{Name: "large", Version: "1.0.0"}
	f, err := v.Open(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	name := filepath.Join(w.bundles(), "bundle-0000.tar.zst")
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(name, name+".old"); err != nil {
		t.Fatal(err)
	}
	want, err := w.reg.CrateBytes(id)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(f); err != nil || !bytes.Equal(got, want) {
		t.Errorf("open before: %d bytes, %v", len(got), err)
	}
	if _, err := read(t, v, id); !errors.As(err, new(*DamagedError)) {
		t.Errorf("deleted: %v", err)
	}
	bad := bytes.Clone(data)
	rand.Read(bad[len(bad)/2:][:1000])
	for _, content := range [][]byte{bad, data} {
		temp := name + ".new"
		if err := os.WriteFile(temp, content, 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(temp, name); err != nil {
			t.Fatal(err)
		}
		got, err := read(t, v, id)
		if good := bytes.Equal(content, data); good != (err == nil && bytes.Equal(got, want)) || !good && !errors.As(err, new(*DamagedError)) {
			t.Errorf("good %v: %d bytes, %v", good, len(got), err)
		}
	}
}

// TestH5Proofs: how long a proof holds, by size of the crate.
func TestH5Proofs(t *testing.T) {
	w := newWorld(t, "tiny 1.0.0\n  size 100\nsmall 1.0.0\n  size 200000\nlarge 1.0.0\n  size 3000000")
	w.run(how{})
	v := w.view(nil)
	var reads atomic.Int64
	w.hook(v, func(op durabletest.Op) durabletest.Fault {
		if op.Kind == durabletest.OpRead {
			reads.Add(1)
		}
		return durabletest.Fault{}
	})
	now := time.Now()
	v.copies.clock = func() time.Time { return now }
	hashed := func(id crate.ID) bool {
		t.Helper()
		before := reads.Load()
		f, err := v.Open(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		f.Close()
		return reads.Load() > before
	}
	for _, id := range w.reg.IDs() {
		tiny := id.Name == "tiny"
		now = time.Now()
		for range 2 {
			if !hashed(id) {
				t.Errorf("%s: not hashed, though its last change is within a tick of the clock", id)
			}
		}
		now = now.Add(time.Minute)
		if !hashed(id) || hashed(id) != tiny {
			t.Errorf("%s: hashed again after a proof: %v, want %v", id, !tiny, tiny)
		}
		now = now.Add(provenFor)
		if !hashed(id) || hashed(id) != tiny {
			t.Errorf("%s: not hashed after %v", id, provenFor)
		}
	}
}

// TestThrownAway: a run threw a crate away after the catalog was asked where it
// is. That is no damage.
func TestThrownAway(t *testing.T) {
	w := newWorld(t, small4)
	w.run(how{})
	var log logBuffer
	v := w.view(func(c *Config) { c.Log = log.logger() })
	row, err := v.row(t.Context(), serde100)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(w.loose(serde100)); err != nil {
		t.Fatal(err)
	}
	cat, err := catalog.Open(w.catalogPath())
	if err != nil {
		t.Fatal(err)
	}
	defer cat.Close()
	if err := cat.Commit(t.Context(), catalog.Batch{Dropped: []crate.Key{row.Key()}}); err != nil {
		t.Fatal(err)
	}
	if _, err := v.openRow(t.Context(), row); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("opened: %v", err)
	}
	if strings.Contains(log.String(), "level=ERROR") {
		t.Errorf("it is told as damage:\n%s", log.String())
	}
}

// TestLargeIsHashedOnce: many who ask for a large crate at once, for the first
// time, cost one reading, and none of them hangs on another who went away.
func TestLargeIsHashedOnce(t *testing.T) {
	const readers = 8
	w := newWorld(t, "large 1.0.0\n  size 3000000")
	w.run(how{})
	v := w.view(nil)
	v.copies.clock = func() time.Time { return time.Now().Add(time.Minute) } // the file has long been there
	first, leave := context.WithCancel(t.Context())
	var opened, reads atomic.Int64
	w.hook(v, func(op durabletest.Op) durabletest.Fault {
		switch op.Kind {
		case durabletest.OpOpen:
			opened.Add(1)
		case durabletest.OpRead:
			for reads.Add(1); opened.Load() < readers; { // until all have come
				time.Sleep(time.Millisecond)
			}
			leave()
		}
		return durabletest.Fault{}
	})
	id := crate.ID{Name: "large", Version: "1.0.0"}
	var all sync.WaitGroup
	open := func(ctx context.Context) {
		all.Go(func() {
			f, err := v.Open(ctx, id)
			if err == nil {
				f.Close()
			} else if ctx != first || !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		})
	}
	open(first)
	eventually(t, "the first one reads", func() bool { return reads.Load() > 0 })
	for range readers - 1 {
		open(t.Context())
	}
	all.Wait()
	if n, once := reads.Load(), int64(3000000/(32<<10)); n > 2*once {
		t.Errorf("%d reads for %d readers, one takes about %d", n, readers, once)
	}
}
