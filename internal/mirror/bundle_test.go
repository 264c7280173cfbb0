package mirror

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
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

// checkHeld is oracle O3 for bundles: every crate of which the catalog knows is
// wherever it says, with the bytes of the registry.
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

// checkBefore wants the bytes that versions had before to be found: where the
// catalog says, or where a run moves them.
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

// members counts how often each crate is in finished bundles.
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
			continue // one of v1.1.0
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

// checkOnce wants every crate of the registry in exactly one bundle, and none
// loose.
func (w *world) checkOnce(disk *durabletest.Mem) {
	w.t.Helper()
	count := members(w.t, disk)
	for _, id := range w.reg.IDs() {
		if _, again := w.before[id]; again {
			continue // its bytes of now and those of before
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

// E1: nothing is fetched twice, overwritten or rewritten; what is new goes into
// the next bundle.
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
	// Without bundles being made, what is in them is held all the same.
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
	// One of the two is enough: nothing is fetched.
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

// A loose mirror becomes one of bundles, and nothing is fetched.
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
			w.bundle.add = false // and now without the loose ones
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

// What bundles hold becomes loose too, without being fetched.
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

// E11: a loose file that is not the crate any more does not enter a bundle.
func TestE11DamagedLooseFileIsNotBundled(t *testing.T) {
	w := newWorld(t, parse(small))
	w.mustRun(nil)
	good, err := content(w.disk, foo1)
	if err != nil {
		t.Fatal(err)
	}
	w.damage(foo1, append([]byte("X"), good[1:]...)) // same size: the plan cannot see it
	w.bundle = &bundling{target: 1 << 20}
	s, err := w.run(context.Background(), w.disk, nil)
	if err != nil || s.Downloaded != 1 || s.VerifiedExisting != 4 || s.Quarantined != 1 || s.Sound() {
		t.Errorf("%v, %+v, %d in quarantine", err, s.Counts, s.Quarantined)
	}
	w.checkOnce(w.disk)
	if err := w.checkHeld(w.disk, w.catalog); err != nil {
		t.Error(err)
	}
}

// E12: before a loose file goes its member is read back.
func TestE12MemberIsReadBackBeforeTheLooseFileGoes(t *testing.T) {
	w := newWorld(t, parse(small))
	w.mustRun(nil)
	w.bundle = &bundling{target: 1 << 20}
	flipped := false
	bad := durabletest.Hook(w.disk, func(op durabletest.Op) durabletest.Fault {
		if op.Kind == durabletest.OpPublish && op.To == "bundle-0000.tar.zst" && !flipped {
			flipped = true // the disk lies: what it gives back is not what was written
			v := w.catalog.clone().versions[foo1]
			flip(t, w.disk, op.Name, v.Offset+v.FrameSize/2)
		}
		return durabletest.Fault{}
	})
	s, err := w.run(context.Background(), bad, nil)
	if err != nil || s.Sound() || s.Quarantined == 0 {
		t.Errorf("%v, %+v, %d in quarantine", err, s.Counts, s.Quarantined)
	}
	kept := 0
	for _, id := range w.reg.IDs() {
		if _, err := content(w.disk, id); err == nil {
			kept++
		}
	}
	if kept != 1 || !flipped {
		t.Errorf("%d loose files were kept, want that of the damaged member alone", kept)
	}
	if err := w.checkWhole(w.disk, nil); err != nil {
		t.Error(err)
	}
	// Verification sees to it: the loose file goes into another bundle.
	if s, err := w.run(context.Background(), w.disk, func(c *Config) { c.VerifyExisting = true }); err != nil || !s.Complete(false) || s.Downloaded != 0 {
		t.Errorf("verifying: %v, %+v", err, s.Counts)
	}
	if err := w.checkHeld(w.disk, w.catalog); err != nil {
		t.Error(err)
	}
}

// flip changes a bit of a file that is being written.
func flip(t *testing.T, disk *durabletest.Mem, name string, offset int64) {
	t.Helper()
	data, err := durable.ReadFile(disk, name, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	data[offset] ^= 1
	if err := disk.Remove(name); err != nil {
		t.Fatal(err)
	}
	f, err := disk.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		t.Fatal(err)
	}
}

// E4, E14: a damaged member is found by hashing, a missing bundle by looking;
// what they held is fetched again, into another bundle.
func TestE14BundleMissingOrDamaged(t *testing.T) {
	w := newBundled(t, small, 1<<20)
	w.mustRun(nil)
	const name = "bundle-0000.tar.zst"
	data, err := durable.ReadFile(w.disk, name, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	v := w.catalog.versions[foo1]
	data[v.Offset+v.FrameSize/2] ^= 1
	if err := durable.WriteFile(w.disk, name, data); err != nil {
		t.Fatal(err)
	}
	if s := w.mustRun(nil); s.Existing != 5 {
		t.Errorf("without looking: %+v", s.Counts)
	}
	verify := func(c *Config) { c.VerifyExisting = true }
	s, err := w.run(context.Background(), w.disk, verify)
	if err != nil || s.VerifiedExisting != 4 || s.Downloaded != 1 || s.Sound() || s.Quarantined != 1 {
		t.Errorf("hashing: %v, %+v, %d in quarantine", err, s.Counts, s.Quarantined)
	}
	if v := w.catalog.versions[foo1]; v.Bundle != "bundle-0001.tar.zst" {
		t.Errorf("the crate is at %+v", v)
	}
	if err := w.checkHeld(w.disk, w.catalog); err != nil {
		t.Error(err)
	}
	if err := w.disk.Remove(name); err != nil {
		t.Fatal(err)
	}
	s, err = w.run(context.Background(), w.disk, nil)
	if err != nil || s.Downloaded != 4 || s.Existing != 1 {
		t.Errorf("bundle missing: %v, %+v", err, s.Counts)
	}
	if err := w.checkHeld(w.disk, w.catalog); err != nil {
		t.Error(err)
	}
}

// C13: a folder of bundles that cannot be listed is not empty. The run ends, and
// fetches nothing that lies there.
func TestC13FolderOfBundlesCannotBeListed(t *testing.T) {
	w := newBundled(t, small, 1<<20)
	w.mustRun(nil)
	before := w.reg.TotalRequests()
	for _, b := range []*bundling{nil, w.bundle} {
		w.bundle = b
		for n, failed := 1, true; failed; n++ {
			failed = false
			times := 0
			bad := durabletest.Hook(w.disk, func(op durabletest.Op) (f durabletest.Fault) {
				if op.Kind == durabletest.OpReadDir && op.Name == "." {
					if times++; times == n {
						failed = true
						f.Err = syscall.EIO
					}
				}
				return f
			})
			if _, err := w.run(context.Background(), bad, nil); failed && !errors.Is(err, syscall.EIO) {
				t.Errorf("listing %d failed, and the run says %v", n, err)
			}
		}
	}
	if n := w.reg.TotalRequests() - before; n > 0 {
		t.Errorf("%d requests for what is held", n)
	}
}

// E8: the catalog is a convenience. Lost, it is made of the bundles again.
func TestE8CatalogLost(t *testing.T) {
	w := newBundled(t, small, 1000)
	w.mustRun(nil)
	want := w.catalog.clone().versions
	before := w.reg.TotalRequests()
	w.catalog = newMemCatalog()
	if s := w.mustRun(nil); s.Existing != 5 || w.reg.TotalRequests() != before {
		t.Errorf("%+v", s.Counts)
	}
	for id, v := range want {
		got := w.catalog.versions[id]
		if got.VerifiedAt.IsZero() || !got.Listed {
			t.Errorf("%v: no index vouches for it: %+v", id, got)
		}
		got.VerifiedAt = v.VerifiedAt
		if got != v {
			t.Errorf("%v: %+v, want %+v", id, got, v)
		}
	}
}

// E15: what a bundle holds under a crate's name is nothing before the index has
// vouched for it.
func TestE15ForeignMember(t *testing.T) {
	w := newBundled(t, small, 1<<20)
	b, err := bundle.Create(w.disk, bundle.FileName(0))
	if err != nil {
		t.Fatal(err)
	}
	f, err := bundle.Encode(nil, bar, []byte("not what the index names"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Append(f); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Finish(); err != nil {
		t.Fatal(err)
	}
	if err := b.Publish(); err != nil {
		t.Fatal(err)
	}
	if s := w.mustRun(nil); s.Downloaded != 5 || s.Plan.Conflicts != 0 {
		t.Errorf("%+v, plan %+v", s.Counts, s.Plan)
	}
	if err := w.checkHeld(w.disk, w.catalog); err != nil {
		t.Error(err)
	}
}

// E15: two bundles hold the same crates, one of them damaged. With the catalog
// lost, too, every crate is found where it is good, and nothing is fetched.
func TestE15OneOfTwoBundlesIsDamaged(t *testing.T) {
	for _, damaged := range []string{"bundle-0000.tar.zst", "bundle-0001.tar.zst"} {
		w := newBundled(t, small, 1<<20)
		w.mustRun(nil)
		data, err := durable.ReadFile(w.disk, "bundle-0000.tar.zst", 1<<20)
		if err == nil {
			err = durable.WriteFile(w.disk, "bundle-0001.tar.zst", data)
		}
		if err != nil {
			t.Fatal(err)
		}
		v := w.catalog.versions[foo1]
		flip(t, w.disk, damaged, v.Offset+v.FrameSize/2)
		w.catalog = newMemCatalog()
		before := w.reg.TotalRequests()
		var log bytes.Buffer
		w.log = slog.New(slog.NewTextHandler(&log, nil))
		if s := w.mustRun(nil); s.Existing != 5 || w.reg.TotalRequests() != before {
			t.Errorf("%s: %+v", damaged, s.Counts)
		}
		if err := w.checkHeld(w.disk, w.catalog); err != nil {
			t.Errorf("%s: %v", damaged, err)
		}
		if at := w.catalog.versions[foo1].Bundle; at == damaged {
			t.Errorf("foo is said to be in %s", at)
		}
		if text := "bundle is damaged: its whole members count"; !strings.Contains(log.String(), text) || !strings.Contains(log.String(), damaged) {
			t.Errorf("%s: the log is %s", damaged, log.String())
		}
	}
}

// Three kills in a row, an update of the index in between, and then a run to the
// end: every crate is there once, and nothing that was recorded is fetched.
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

// killed runs a mirror and leaves what a kill at a random operation leaves.
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
			return durabletest.Fault{Err: syscall.EIO} // there is nobody any more
		}
		return durabletest.Fault{}
	}), nil)
	if disk != nil {
		w.disk, w.catalog = disk, cat
	} else if err != nil {
		w.t.Fatal(err)
	}
}
