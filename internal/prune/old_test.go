package prune

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle/bundletest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle/lists"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store/loose"
)

const (
	oldName     = "bundle-0003.tar.zst"
	oldManifest = "bundle-0003-a-to-c.manifest.jsonl"
)

// oldWorld is a mirror of three loose files that were taken over from a bundle of v1.1.0.
type oldWorld struct {
	t       *testing.T
	disk    *durabletest.Mem
	catalog *catalog.Catalog
	items   []bundletest.Item
}

func newOldWorld(t *testing.T) *oldWorld {
	t.Helper()
	w := &oldWorld{t: t, disk: durabletest.NewMem()}
	var err error
	w.catalog, err = catalog.Open(filepath.Join(t.TempDir(), "catalog.db"))
	must(t, err)
	t.Cleanup(func() { w.catalog.Close() })
	var batch catalog.Batch
	for i, name := range []string{"a", "bb", "ccc"} {
		it := bundletest.Item{ID: crate.ID{Name: name, Version: "1.0.0"}, Data: bundletest.Noise(3000, uint64(i))}
		w.items = append(w.items, it)
		w.write(it.ID.LoosePath(), it.Data)
		batch.Versions = append(batch.Versions, catalog.Version{ID: it.ID, Checksum: sha256.Sum256(it.Data), Size: int64(len(it.Data)),
			Listed: true, VerifiedAt: time.Unix(1, 0), Placement: store.Placement{Loose: true}})
	}
	w.write(oldName, bundletest.Legacy(t, w.items))
	w.write(oldManifest, []byte("{}\n"))
	line := func(number string) string {
		return fmt.Sprintf(`{"bundle_path":"bundles/bundle-%s.tar.zst","manifest_path":"bundles/bundle-%[1]s-a-to-c.manifest.jsonl","crate_min":"a","crate_max":"ccc","crate_min_label":"a","crate_max_label":"c","entries":3,"size_bytes":9000}`+"\n", number)
	}
	w.write(lists.CatalogName, []byte(line("0003")+line("0004")))
	info, err := w.disk.Stat(oldName)
	must(t, err)
	batch.Taken = []catalog.Taken{{Name: oldName, Size: info.Size(), Modified: info.ModTime()}, {Name: "bundle-0009.tar.zst", Size: 1}}
	must(t, w.catalog.Commit(t.Context(), batch))
	return w
}

func (w *oldWorld) write(name string, data []byte) {
	w.t.Helper()
	if i := strings.LastIndexByte(name, '/'); i > 0 {
		must(w.t, w.disk.MkdirAll(name[:i]))
	}
	must(w.t, durable.WriteFile(w.disk, name, data))
}

func (w *oldWorld) run(disk durable.FS, remove bool) (found []OldBundle, err error) {
	o := &Old{Folder: disk, Catalog: w.catalog, Store: loose.OpenReadOnly(disk), Remove: remove}
	err = o.Run(w.t.Context(), func(b *OldBundle) error {
		found = append(found, *b)
		return nil
	})
	return found, err
}

// there is what there is of the bundle on a disk.
func there(disk durable.Reader) (names []string) {
	for _, name := range []string{oldName, oldManifest} {
		if _, err := disk.Stat(name); err == nil {
			names = append(names, name)
		}
	}
	text, err := durable.ReadFile(disk, lists.CatalogName, 1<<20)
	if err != nil || !bytes.Contains(text, []byte("bundle-0004")) {
		return append(names, "the line of another bundle is lost")
	}
	if bytes.Contains(text, []byte("bundle-0003")) {
		names = append(names, "line")
	}
	return names
}

// checkHeld wants every crate where the mirror stores it.
func (w *oldWorld) checkHeld(disk durable.Reader, at string) {
	w.t.Helper()
	for _, it := range w.items {
		if data, err := durable.ReadFile(disk, it.ID.LoosePath(), 1<<20); err != nil || !bytes.Equal(data, it.Data) {
			w.t.Errorf("%s: %s is not stored any more: %v", at, it.ID, err)
		}
	}
}

func TestOldBundleGoes(t *testing.T) {
	w := newOldWorld(t)
	if found, err := w.run(w.disk, false); err != nil || len(found) != 1 || found[0].Name != oldName || found[0].Kept != nil || len(there(w.disk)) != 3 {
		t.Errorf("a dry run: %+v, %v, %q", found, err, there(w.disk))
	}
	found, err := w.run(w.disk, true)
	if err != nil || len(found) != 1 || found[0].Kept != nil || found[0].Crates != 3 {
		t.Errorf("%+v, %v", found, err)
	}
	if left := there(w.disk); left != nil {
		t.Errorf("left: %q", left)
	}
	w.checkHeld(w.disk, "removed")
	if found, err := w.run(w.disk, true); err != nil || found != nil {
		t.Errorf("again: %+v, %v", found, err)
	}
}

// A bundle with a crate that is not proved to be elsewhere stays, with the files beside it.
func TestOldBundleStays(t *testing.T) {
	for _, tt := range []struct {
		what   string
		change func(w *oldWorld)
		want   string // why; empty: it is not even looked at
	}{
		{"what is stored is damaged", func(w *oldWorld) { w.write(w.items[1].ID.LoosePath(), bundletest.Noise(3000, 99)) }, "is damaged in the mirror: it hashes to"},
		{"what is stored is cut off", func(w *oldWorld) { w.write(w.items[2].ID.LoosePath(), w.items[2].Data[:2999]) }, "is damaged in the mirror: it hashes to"},
		{"what is stored is lost", func(w *oldWorld) { must(t, w.disk.Remove(w.items[0].ID.LoosePath())) }, "is damaged in the mirror: open "},
		{"a version is not held", func(w *oldWorld) {
			must(t, w.catalog.Commit(t.Context(), catalog.Batch{Dropped: []crate.Key{{ID: w.items[1].ID, Checksum: sha256.Sum256(w.items[1].Data)}}}))
		}, "is nowhere else"},
		{"other bytes of a version are held", func(w *oldWorld) {
			w.items[2].Data = bundletest.Noise(3000, 77)
			w.replaceBundle(bundletest.Legacy(t, w.items))
		}, "is nowhere else"},
		{"the catalog says that it is in the bundle itself", func(w *oldWorld) {
			v, err := w.catalog.Version(t.Context(), w.items[0].ID)
			must(t, err)
			v.Placement = store.Placement{Bundle: oldName, FrameSize: 10}
			must(t, w.catalog.Commit(t.Context(), catalog.Batch{Versions: []catalog.Version{v}}))
		}, "is nowhere else"},
		{"it is damaged", func(w *oldWorld) {
			data := bundletest.Legacy(t, w.items)
			w.replaceBundle(data[:len(data)-7])
		}, "reading archive"},
		{"it is another file now", func(w *oldWorld) { w.write(oldName, []byte("another")) }, ""},
	} {
		t.Run(tt.what, func(t *testing.T) {
			w := newOldWorld(t)
			tt.change(w)
			found, err := w.run(w.disk, true)
			if err != nil {
				t.Fatal(err)
			}
			switch {
			case tt.want == "" && len(found) > 0:
				t.Errorf("found %+v", found)
			case tt.want != "" && (len(found) != 1 || found[0].Kept == nil || !strings.Contains(found[0].Kept.Error(), tt.want)):
				t.Errorf("found %+v, want it kept because %q", found, tt.want)
			}
			if left := there(w.disk); len(left) != 3 {
				t.Errorf("left: %q", left)
			}
		})
	}
}

// replaceBundle makes other bytes the bundle that was taken over.
func (w *oldWorld) replaceBundle(data []byte) {
	w.write(oldName, data)
	info, err := w.disk.Stat(oldName)
	must(w.t, err)
	must(w.t, w.catalog.Commit(w.t.Context(), catalog.Batch{Taken: []catalog.Taken{{Name: oldName, Size: info.Size(), Modified: info.ModTime()}}}))
}

// Killed, without power, or failing at any operation: every crate is stored, and the next
// run completes.
func TestOldBundleKilled(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 1))
	w := newOldWorld(t)
	must(t, w.disk.SyncAll())
	check := func(disk *durabletest.Mem, at string) {
		left := there(disk)
		w.checkHeld(disk, at)
		if _, err := disk.Stat(oldName); errors.Is(err, fs.ErrNotExist) && len(left) > 0 {
			t.Errorf("%s: the bundle is gone, and there is still %q", at, left)
		}
		if _, err := w.run(disk, true); err != nil || there(disk) != nil {
			t.Errorf("after %s: %v, %q", at, err, there(disk))
		}
	}
	for n := 1; !t.Failed(); n++ {
		for _, mode := range []struct{ sticky, persisted bool }{{true, false}, {false, true}} {
			disk := w.disk.Kill()
			bad := durabletest.FailAt(disk, n, syscall.EIO, mode.sticky, mode.persisted)
			_, err := w.run(bad, true)
			if bad.Ops() < n {
				w.wrecks(rnd, check)
				return
			}
			check(disk, fmt.Sprintf("an error at operation %d (%v)", n, err))
		}
	}
}

// wrecks checks the disk as it is after a kill and a power cut at each operation.
func (w *oldWorld) wrecks(rnd *rand.Rand, check func(*durabletest.Mem, string)) {
	w.t.Helper()
	var mu sync.Mutex
	var disks []*durabletest.Mem
	var at []string
	disk := w.disk.Kill()
	must(w.t, disk.SyncAll())
	hooked := durabletest.Hook(disk, func(op durabletest.Op) (f durabletest.Fault) {
		mu.Lock()
		defer mu.Unlock()
		disks = append(disks, disk.Kill(), disk.Crash(rnd))
		at = append(at, "a kill at "+op.String(), "a power cut at "+op.String())
		return f
	})
	if found, err := w.run(hooked, true); err != nil || len(found) != 1 || there(disk) != nil {
		w.t.Fatalf("without a fault: %+v, %v, %q", found, err, there(disk))
	}
	for i := range disks {
		check(disks[i], at[i])
	}
}
