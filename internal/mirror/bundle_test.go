package mirror

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/runlog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/simreg"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store/bundled"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store/loose"
)

// checkHeld is oracle O3 for bundles: every crate in the catalog is at its recorded
// place, with the bytes of the registry.
func (w *world) checkHeld(disk *durabletest.Mem, cat *memCatalog) error {
	st := bundled.OpenReadOnly(disk, loose.OpenReadOnly(disk))
	defer st.Close()
	for id, v := range cat.clone().versions {
		if w.spoiled[id] {
			continue
		}
		want, err := w.checksum(id)
		if err != nil {
			return err
		}
		at := v.Placement
		if at.Bundle != "" {
			if sum, _, err := store.Hash(context.Background(), st, crate.Key{ID: id, Checksum: want}, at.InBundle(), io.Discard); err != nil || !w.was(id, sum, want) {
				return fmt.Errorf("%v in %s: %v, %w", id, at.Bundle, sum, err)
			}
		}
		if at.Bundle != "" || !at.Loose {
			continue // its loose file may go before the row says so
		}
		data, err := content(disk, id)
		if len(w.before) > 0 && errors.Is(err, fs.ErrNotExist) {
			continue // it makes way
		}
		if err != nil || !w.was(id, sha256.Sum256(data), want) {
			return fmt.Errorf("%v, loose: %d bytes, %w", id, len(data), err)
		}
	}
	if err := w.checkBefore(disk, cat); err != nil {
		return err
	}
	return w.checkWhole(disk, nil)
}

// checkBefore checks that earlier bytes of versions are found: where the catalog says, or
// where a run moves them.
func (w *world) checkBefore(disk *durabletest.Mem, cat *memCatalog) error {
	st := bundled.OpenReadOnly(disk, loose.OpenReadOnly(disk))
	defer st.Close()
next:
	for id, sum := range w.before {
		rows, _ := cat.Versions(context.Background(), id.Name)
		for _, v := range rows {
			if v.ID != id || v.Checksum != sum {
				continue
			}
			for _, at := range []store.Placement{v.AsFile(), v.Moved(sum), v.InBundle()} {
				if got, _, err := store.Hash(context.Background(), st, crate.Key{ID: id, Checksum: sum}, at, io.Discard); err == nil && got == sum {
					continue next
				}
			}
			return fmt.Errorf("the bytes that %v had before are gone: %+v", id, v)
		}
		return fmt.Errorf("the catalog does not know the bytes that %v had before: %+v", id, rows)
	}
	return nil
}

// members counts the copies of each crate in finished bundles.
func members(t *testing.T, disk *durabletest.Mem) map[crate.ID]int {
	t.Helper()
	count := map[crate.ID]int{}
	entries, err := disk.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), bundle.PartExt) || strings.HasSuffix(e.Name(), ".damaged") || durable.IsTemp(e.Name()) {
			t.Errorf("%s is left", e.Name())
		}
		if _, err := bundle.ParseFileName(e.Name()); err != nil {
			continue
		}
		f, err := disk.Open(e.Name())
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		info, _ := e.Info()
		r, err := bundle.Open(f, info.Size())
		if errors.Is(err, bundle.ErrStream) {
			continue // made by v1.1.0
		}
		if err != nil {
			t.Fatal(err)
		}
		for m, err := range r.Members() {
			if err != nil {
				t.Errorf("%s: %v", e.Name(), err)
			}
			count[m.ID]++
		}
	}
	return count
}

// checkOnce checks that every crate of the registry is in exactly one bundle, and none is
// loose.
func (w *world) checkOnce(disk *durabletest.Mem) {
	w.t.Helper()
	count := members(w.t, disk)
	for _, id := range w.reg.IDs() {
		if _, again := w.before[id]; again {
			continue // its current and its earlier bytes
		}
		if count[id] != 1 {
			w.t.Errorf("%v is in bundles %d times", id, count[id])
		}
		if _, err := content(disk, id); !errors.Is(err, fs.ErrNotExist) {
			w.t.Errorf("%v is loose too: %v", id, err)
		}
	}
}

func newBundled(t *testing.T, text string, target int64) *world {
	w := newWorld(t, parse(text))
	w.bundle = &bundling{target: target}
	return w
}

// E1: nothing is downloaded twice, overwritten or rewritten; new crates go into the next
// bundle.
func TestE1UpdateRun(t *testing.T) {
	w := newBundled(t, small, 1<<20)
	if s := w.mustRun(nil); s.Downloaded != 5 {
		t.Fatalf("first run: %+v", s.Counts)
	}
	rec := w.records()["foo 2.0.0+meta"]
	if rec.Storage != runlog.Bundle || rec.Path != "" || rec.BundlePath != filepath.Join("bundles", "bundle-0000.tar.zst") || rec.BundleMember != "foo/foo-2.0.0+meta.crate" {
		t.Errorf("record: %+v", rec)
	}
	first, err := durable.ReadFile(w.disk, "bundle-0000.tar.zst", 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	w.reg.Add(simreg.MustParse("ox 0.3.1")...)
	w.writeIndex()
	before := w.reg.TotalRequests()
	if s := w.mustRun(nil); s.Downloaded != 1 || s.Existing != 5 || w.reg.TotalRequests() != before+1 {
		t.Errorf("update: %+v, %d requests", s.Counts, w.reg.TotalRequests()-before)
	}
	if rec := w.records()["foo 2.0.0+meta"]; rec.Status != runlog.Existing || rec.Storage != runlog.Bundle || rec.BundleMember == "" {
		t.Errorf("record of what is held: %+v", rec)
	}
	if rec := w.records()["ox 0.3.1"]; filepath.Base(rec.BundlePath) != "bundle-0001.tar.zst" {
		t.Errorf("record of what is new: %+v", rec)
	}
	if again, err := durable.ReadFile(w.disk, "bundle-0000.tar.zst", 1<<20); err != nil || string(again) != string(first) {
		t.Errorf("the first bundle was changed (%v)", err)
	}
	w.checkOnce(w.disk)
	if err := w.checkHeld(w.disk, w.catalog); err != nil {
		t.Error(err)
	}
	for name, whole := range w.catalog.bundles {
		if !whole {
			t.Errorf("%s is not known to be whole", name)
		}
	}
	// Without making bundles, crates in them are held nevertheless.
	w.bundle = nil
	w.reg.Add(simreg.MustParse("ox 0.3.2")...)
	w.writeIndex()
	if s := w.mustRun(nil); s.Downloaded != 1 || s.Existing != 6 {
		t.Errorf("without bundles: %+v", s.Counts)
	}
	if rec := w.records()["ox 0.3.2"]; rec.Storage != runlog.Filesystem || rec.Path == "" {
		t.Errorf("record: %+v", rec)
	}
}

func TestModeAdd(t *testing.T) {
	w := newBundled(t, small, 1<<20)
	w.bundle.add = true
	for run := range 2 {
		w.mustRun(nil)
		if rec := w.records()["ox 0.3.0"]; rec.Storage != runlog.FilesystemAndBundle || rec.Path == "" || rec.BundlePath == "" {
			t.Errorf("run %d: record %+v", run, rec)
		}
	}
	if err := errors.Join(w.checkWhole(w.disk, w.catalog.held()), w.checkHeld(w.disk, w.catalog)); err != nil {
		t.Error(err)
	}
	// One of the two suffices: nothing is downloaded.
	before := w.reg.TotalRequests()
	if err := errors.Join(w.disk.Remove(ox.LoosePath()), w.disk.Remove("bundle-0000.tar.zst")); err != nil {
		t.Fatal(err)
	}
	if s := w.mustRun(nil); s.Downloaded != 1 || s.VerifiedExisting != 4 || w.reg.TotalRequests() != before+1 {
		t.Errorf("after the loss of one loose file and the bundle: %+v", s.Counts)
	}
	if err := w.checkHeld(w.disk, w.catalog); err != nil {
		t.Error(err)
	}
}

// A loose mirror becomes a bundled one, and nothing is downloaded.
func TestLooseIntoBundles(t *testing.T) {
	for _, add := range []bool{false, true} {
		w := newWorld(t, parse(small))
		w.mustRun(nil)
		before := w.reg.TotalRequests()
		w.bundle = &bundling{target: 1000, add: add}
		s := w.mustRun(nil)
		if s.VerifiedExisting != 5 || s.Plan.ToBundle != 5 || w.reg.TotalRequests() != before {
			t.Errorf("add=%t: %+v, plan %+v", add, s.Counts, s.Plan)
		}
		if err := w.checkHeld(w.disk, w.catalog); err != nil {
			t.Errorf("add=%t: %v", add, err)
		}
		if s := w.mustRun(nil); s.Existing != 5 {
			t.Errorf("add=%t, again: %+v", add, s.Counts)
		}
		if add {
			if err := w.checkWhole(w.disk, w.catalog.held()); err != nil {
				t.Error(err)
			}
			w.bundle.add = false // and now without the loose files
			w.mustRun(nil)
		}
		w.checkOnce(w.disk)
		for id, v := range w.catalog.versions {
			if v.Loose || v.Bundle == "" {
				t.Errorf("%v: the catalog says %+v", id, v)
			}
		}
		if w.reg.TotalRequests() != before {
			t.Errorf("add=%t: something was fetched", add)
		}
	}
}

// Bundled crates become loose, too, without a download.
func TestBundlesIntoModeAdd(t *testing.T) {
	w := newBundled(t, small, 1000)
	w.mustRun(nil)
	before := w.reg.TotalRequests()
	w.bundle.add = true
	for run, want := range []int64{5, 0} {
		if s := w.mustRun(nil); s.VerifiedExisting != want || w.reg.TotalRequests() != before {
			t.Errorf("run %d: %+v", run, s.Counts)
		}
	}
	if err := errors.Join(w.checkWhole(w.disk, w.catalog.held()), w.checkHeld(w.disk, w.catalog)); err != nil {
		t.Error(err)
	}
	for id, n := range members(t, w.disk) {
		if n != 1 {
			t.Errorf("%v is in bundles %d times", id, n)
		}
	}
}

// Three kills in a row, an update of the index in between, and then a complete run: every
// crate is there once, and nothing that was recorded is downloaded again.
func TestThreeKillsAndAnUpdate(t *testing.T) {
	for round := range 10 {
		seed := rand.Uint64()
		rnd := rand.New(rand.NewPCG(seed, 1))
		w := newBundled(t, medium, 1500)
		for kill := range 3 {
			w.killed(rnd)
			if err := w.checkHeld(w.disk, w.catalog); err != nil {
				t.Fatalf("seed %d, kill %d: %v", seed, kill+1, err)
			}
			if kill == 1 {
				w.reg.Add(simreg.MustParse("ox 0.3.1\nzz 0.1.0")...)
				w.writeIndex()
			}
		}
		before, recorded := w.settled(), len(w.catalog.held())
		w.mustRun(nil)
		if n := w.reg.TotalRequests() - before; n > w.reg.Len()-recorded {
			t.Errorf("seed %d: %d requests, and %d of %d crates were recorded", seed, n, recorded, w.reg.Len())
		}
		w.checkOnce(w.disk)
		if t.Failed() {
			t.Fatalf("round %d, seed %d", round, seed)
		}
	}
}

// killed runs a mirror and leaves the state after a kill at a random operation.
func (w *world) killed(rnd *rand.Rand) {
	w.t.Helper()
	at := 1 + rnd.IntN(250)
	var mu sync.Mutex
	var disk *durabletest.Mem
	var cat *memCatalog
	_, err := w.run(context.Background(), durabletest.Hook(w.disk, func(op durabletest.Op) durabletest.Fault {
		mu.Lock()
		defer mu.Unlock()
		if op.N >= at && disk == nil {
			cat = w.catalog.clone()
			disk = w.disk.Kill()
		}
		if disk != nil {
			return durabletest.Fault{Err: syscall.EIO} // the process is killed
		}
		return durabletest.Fault{}
	}), nil)
	if disk != nil {
		w.disk, w.catalog = disk, cat
	} else if err != nil {
		w.t.Fatal(err)
	}
}
