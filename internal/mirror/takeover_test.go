package mirror

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle/bundletest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle/lists"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/plan"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/runlog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/simreg"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

// oldName is the bundle of v1.1.0 of these tests.
var oldName = bundle.FileName(1)

// items are the registry's crates of these ids, or all.
func (w *world) items(ids ...crate.ID) (items []bundletest.Item) {
	w.t.Helper()
	if len(ids) == 0 {
		ids = w.reg.IDs()
	}
	for _, id := range ids {
		data, err := w.reg.CrateBytes(id)
		if err != nil {
			w.t.Fatal(err)
		}
		items = append(items, bundletest.Item{ID: id, Data: data})
	}
	return items
}

// old writes a bundle of v1.1.0, and beside it what that left there: a manifest
// of some of its members, and the catalog.
func (w *world) old(items, claimed []bundletest.Item) []byte {
	w.t.Helper()
	data := bundletest.Legacy(w.t, items)
	err := durable.WriteFile(w.disk, oldName, data)
	if name := lists.ManifestName(bundle.Name{Number: 1}, "a", "z"); len(claimed) > 0 {
		f, cerr := w.disk.Append(lists.CatalogName)
		if cerr != nil {
			w.t.Fatal(cerr)
		}
		_, cerr = f.Write(bundletest.Catalog(oldName, name, items))
		err = errors.Join(err, durable.WriteFile(w.disk, name, bundletest.Manifest(oldName, claimed)), cerr, f.Close())
	}
	if err != nil {
		w.t.Fatal(err)
	}
	return data
}

// reads counts how often a file is opened.
func reads(disk *durabletest.Mem, name string, n *int) durable.FS {
	return durabletest.Hook(disk, func(op durabletest.Op) durabletest.Fault {
		if op.Kind == durabletest.OpOpen && op.Name == name {
			*n++
		}
		return durabletest.Fault{}
	})
}

// What bundles of v1.1.0 have is held, in every mode, whatever files are beside them, and
// they are read once.
func TestOldBundlesAreTakenOver(t *testing.T) {
	for mode, b := range map[string]*bundling{"loose": nil, "only": {target: 1500}, "add": {target: 1500, add: true}} {
		for beside, claimed := range map[string]int{"whole manifest": 5, "half a manifest": 2, "no manifest": 0} {
			t.Run(mode+", "+beside, func(t *testing.T) {
				w := newWorld(t, parse(small))
				w.bundle = b
				all := w.items()
				before := w.old(all, all[:claimed])
				if s := w.mustRun(nil); s.Existing != 5 || s.TakenOver != 5 || w.reg.TotalRequests() != 0 {
					t.Errorf("%+v, %d requests", s.Counts, w.reg.TotalRequests())
				}
				if now, err := durable.ReadFile(w.disk, oldName, 1<<20); err != nil || string(now) != string(before) {
					t.Errorf("the bundle was changed (%v)", err)
				}
				rec := w.records()["foo 2.0.0+meta"]
				want := map[string]string{"loose": runlog.Filesystem, "only": runlog.Bundle, "add": runlog.FilesystemAndBundle}[mode]
				if rec.Status != runlog.Existing || rec.Storage != want || strings.HasSuffix(rec.BundlePath, oldName) {
					t.Errorf("record: %+v", rec)
				}
				if err := w.checkHeld(w.disk, w.catalog); err != nil {
					t.Error(err)
				}
				if mode == "only" {
					w.checkOnce(w.disk)
				}
				n := 0
				s, err := w.run(context.Background(), reads(w.disk, oldName, &n), nil)
				if limit := map[bool]int{true: 1, false: 0}[b != nil]; err != nil || s.Existing != 5 || s.TakenOver != 0 || n > limit {
					t.Errorf("again: %v, %+v, the old bundle was opened %d times", err, s.Counts, n)
				}
			})
		}
	}
}

// A crate larger than what is held in memory comes through a temporary file.
func TestOldBundleWithLargeCrate(t *testing.T) {
	w := newWorld(t, parse("big 1.0.0\nsize "+fmt.Sprint(store.KeptInMemory+1)+"\nfoo 1.0.0"))
	w.bundle = &bundling{target: 1 << 30}
	w.old(w.items(), nil)
	if s := w.mustRun(nil); s.Existing != 2 || w.reg.TotalRequests() != 0 {
		t.Errorf("%+v", s.Counts)
	}
	w.checkOnce(w.disk)
	if left := leftovers(t, w.disk); len(left) > 0 {
		t.Error(left)
	}
}

// E15: the index decides. What it does not name stays in the old bundle; what is
// not what it names is fetched, and no bundle of ours gets it.
func TestE15OldBundleIsNotBelieved(t *testing.T) {
	w := newBundled(t, small, 1<<20)
	all := w.items()
	forged := slices.Clone(all)
	forged[0].Data = []byte("not what the index names")
	forged = append(forged, bundletest.Item{ID: crate.ID{Name: "stranger", Version: "1.0.0"}, Data: []byte("x")}, forged[1])
	w.old(forged, forged)
	if s := w.mustRun(nil); s.Downloaded != 1 || s.Existing != 4 || s.TakenOver != 4 {
		t.Errorf("%+v", s.Counts)
	}
	w.checkOnce(w.disk)
	if n := len(members(t, w.disk)); n != 5 {
		t.Errorf("our bundles hold %d crates", n)
	}
}

// F1, F4: hostile bundles of v1.1.0 cost themselves.
func TestF1F4HostileOldBundle(t *testing.T) {
	w := newBundled(t, small, 1<<20)
	all := w.items()
	bomb := bundletest.Item{ID: crate.ID{Name: "zz", Version: "1.0.0"}, Data: make([]byte, 96<<20)}
	escaping := all[0]
	escaping.ID.Name = "../../etc/passwd"
	w.old(append([]bundletest.Item{escaping}, append(all[:3:3], bomb, all[3])...), nil)
	if s := w.mustRun(nil); s.Existing != 3 || s.Downloaded != 2 {
		t.Errorf("%+v", s.Counts)
	}
	w.checkOnce(w.disk)
}

// E3, E4: of a damaged bundle of v1.1.0 what comes before the damage is taken
// over; the rest is fetched, and the bundle is not read again until it changes.
func TestE3OldBundleIsCut(t *testing.T) {
	text := ""
	for i := range 6 {
		text += fmt.Sprintf("d-%d 1.0.0\nsize 300000\n", i)
	}
	w := newBundled(t, text, 1<<20)
	whole := w.old(w.items(), nil)
	if err := durable.WriteFile(w.disk, oldName, whole[:len(whole)/2]); err != nil {
		t.Fatal(err)
	}
	s := w.mustRun(nil)
	if s.TakenOver == 0 || s.Downloaded == 0 || s.TakenOver+s.Downloaded != int64(w.reg.Len()) || w.reg.TotalRequests() != int(s.Downloaded) {
		t.Errorf("%+v, %d requests", s.Counts, w.reg.TotalRequests())
	}
	if len(w.catalog.taken) != 1 {
		t.Errorf("it would be read again: %v", w.catalog.taken)
	}
	w.checkOnce(w.disk)
	// Its good copy has nothing new.
	w.old(w.items(), nil)
	if s := w.mustRun(nil); s.TakenOver != 0 || s.Existing != int64(w.reg.Len()) {
		t.Errorf("whole again: %+v", s.Counts)
	}
}

// F13: a medium that fails is another matter: the run continues without it, and the next
// one tries again.
func TestF13OldBundleCannotBeRead(t *testing.T) {
	w := newBundled(t, small, 1<<20)
	w.old(w.items(), nil)
	opened := 0
	bad := durabletest.Hook(w.disk, func(op durabletest.Op) (f durabletest.Fault) {
		if op.Name == oldName && op.Kind == durabletest.OpOpen {
			opened++
		}
		if op.Name == oldName && op.Kind == durabletest.OpRead && opened == 3 { // twice it is only looked at
			f.Err = syscall.EIO
		}
		return f
	})
	s, err := w.run(context.Background(), bad, nil)
	if err != nil || !s.Complete(false) || s.Downloaded != 5 || len(w.catalog.taken) != 0 {
		t.Errorf("%v, %+v, taken %v", err, s.Counts, w.catalog.taken)
	}
	if s := w.mustRun(nil); s.Existing != 5 || s.TakenOver != 0 || len(w.catalog.taken) != 1 {
		t.Errorf("%+v, taken %v", s.Counts, w.catalog.taken)
	}
}

// A list names some crates. The others are not forgotten.
func TestOldBundleAndAList(t *testing.T) {
	w := newBundled(t, small, 1<<20)
	w.old(w.items(), nil)
	sum, err := w.reg.Checksum(ox)
	if err != nil {
		t.Fatal(err)
	}
	s := w.mustRun(func(c *Config) { c.Source = plan.FromList([]plan.Item{{ID: ox, Checksum: sum}}, nil) })
	if s.Existing != 1 || s.TakenOver != 1 {
		t.Errorf("list: %+v", s.Counts)
	}
	if s := w.mustRun(nil); s.Existing != 5 || s.TakenOver != 4 || w.reg.TotalRequests() != 0 {
		t.Errorf("index: %+v, %d requests", s.Counts, w.reg.TotalRequests())
	}
	w.checkOnce(w.disk)
}

// Who mirrors a part of the index again and again does not read a bundle each
// time for crates that are held. What a manifest does not name is found, still.
func TestOldBundleIsReadForWhatIsMissing(t *testing.T) {
	w := newBundled(t, small, 1<<20)
	all := w.items()
	w.old(all, all[:4])
	sum, err := w.reg.Checksum(all[0].ID)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []bool{true, false, false} {
		var log bytes.Buffer
		s := w.mustRun(func(c *Config) {
			c.Source = plan.FromList([]plan.Item{{ID: all[0].ID, Checksum: sum}}, nil)
			c.Log = slog.New(slog.NewTextHandler(&log, nil))
		})
		if read := strings.Contains(log.String(), "bundle of v1.1.0"); read != want || s.Existing != 1 {
			t.Errorf("run %d: the bundle was read: %t, want %t; %+v", i, read, want, s.Counts)
		}
	}
	if s := w.mustRun(nil); s.Existing != 5 || s.TakenOver != 4 || w.reg.TotalRequests() != 0 || len(w.catalog.taken) != 1 {
		t.Errorf("index: %+v, %d requests, taken %v", s.Counts, w.reg.TotalRequests(), w.catalog.taken)
	}
	w.checkOnce(w.disk)
}

// E1: what a mirror holds already is not put there again.
func TestE1OldBundleHoldsWhatIsHeld(t *testing.T) {
	w := newBundled(t, small, 1<<20)
	w.mustRun(nil)
	w.reg.Add(simreg.MustParse("ox 0.3.1")...)
	w.writeIndex()
	before := w.reg.TotalRequests()
	w.old(w.items(), nil)
	if s := w.mustRun(nil); s.Existing != 6 || s.TakenOver != 1 || w.reg.TotalRequests() != before {
		t.Errorf("%+v", s.Counts)
	}
	w.checkOnce(w.disk)
}

// A dry run says so, and touches nothing.
func TestE2DryRunWithOldBundle(t *testing.T) {
	w := newWorld(t, parse(small))
	w.old(w.items(), nil)
	ix, err := index.Open(context.Background(), w.index, index.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer ix.Close()
	cfg := plan.Config{Source: plan.FromIndex(ix, nil), IncludeYanked: true, OldBundles: w.disk}
	if totals, err := plan.DryRun(context.Background(), cfg, plan.Held{Catalog: w.catalog}, nil); err != nil || totals.OldBundles != 1 || totals.Fetch != 5 {
		t.Errorf("%v, %+v", err, totals)
	}
	w.mustRun(nil)
	if totals, err := plan.DryRun(context.Background(), cfg, plan.Held{Catalog: w.catalog}, nil); err != nil || totals.OldBundles != 0 {
		t.Errorf("after a run: %v, %+v", err, totals)
	}
}

// A8: a bundle of v1.1.0 may hold a version with what it was before, too: that is no
// alarm, and what the index names is taken over.
func TestA8OldBundleWithEarlierBytes(t *testing.T) {
	for _, first := range []bool{true, false} {
		w := newWorld(t, parse(small))
		before := bundletest.Item{ID: foo1, Data: bundletest.Noise(300, 7)}
		members := append(w.items(), before)
		if first {
			members = append([]bundletest.Item{before}, w.items()...)
		}
		w.old(members, members)
		s := w.mustRun(nil)
		if s.TakenOver != 5 || s.Downloaded != 0 || s.Quarantined != 0 {
			t.Errorf("before first %t: %+v", first, s.Counts)
		}
	}
}
