package mirror

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"syscall"
	"testing"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
)

// E11: a loose file that is no longer the crate is not bundled.
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

// E12: a member is read back before its loose file is removed.
func TestE12MemberIsReadBackBeforeTheLooseFileGoes(t *testing.T) {
	w := newWorld(t, parse(small))
	w.mustRun(nil)
	w.bundle = &bundling{target: 1 << 20}
	flipped := false
	bad := durabletest.Hook(w.disk, func(op durabletest.Op) durabletest.Fault {
		if op.Kind == durabletest.OpPublish && op.To == "bundle-0000.tar.zst" && !flipped {
			flipped = true // the disk does not return what was written
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
	// Verification repairs it: the loose file is copied to another bundle.
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

// E4, E14: a damaged member is found by hashing, a missing bundle by looking; their crates
// are downloaded again, into another bundle.
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
// downloads nothing that is stored there.
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

// E8: the catalog is only a convenience. If it is lost, it is rebuilt from the bundles.
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
			t.Errorf("%v: no index names it: %+v", id, got)
		}
		got.VerifiedAt = v.VerifiedAt
		if got != v {
			t.Errorf("%v: %+v, want %+v", id, got, v)
		}
	}
}

// E15: what a bundle holds under a crate's name counts only once the index names it.
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

// E15: two bundles hold the same crates, and one of them is damaged. Even with the catalog
// lost, every crate is found where it is good, and nothing is downloaded.
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
		if text := "bundle is damaged: its complete members count"; !strings.Contains(log.String(), text) || !strings.Contains(log.String(), damaged) {
			t.Errorf("%s: the log is %s", damaged, log.String())
		}
	}
}
