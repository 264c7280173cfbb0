package repack

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/deep"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

// wantOnlyDeep wants every version in a published segment, and what was elsewhere
// to be gone.
func (w *world) wantOnlyDeep(at string) {
	w.t.Helper()
	w.check(at)
	for _, v := range w.rows() {
		if v.Deep.Segment == "" || v.Loose || v.Bundle != "" {
			w.t.Errorf("%s: %s is in %q, want it in a segment alone", at, v.ID, v.Placement)
		}
		if _, err := w.disk.Stat(v.ID.LoosePath()); err == nil {
			w.t.Errorf("%s: the loose file of %s is left", at, v.ID)
		}
	}
	if left := w.files(bundle.Ext); len(left) > 0 {
		w.t.Errorf("%s: %q are left", at, left)
	}
	if left := w.files(deep.PartExt); len(left) > 0 {
		w.t.Errorf("%s: %q are left", at, left)
	}
}

// wantSegmentsWhole wants the catalog to say so of every segment that is there.
func (w *world) wantSegmentsWhole(at string) {
	w.t.Helper()
	cat := w.open()
	defer cat.Close()
	segments, err := cat.Segments(w.t.Context())
	must(w.t, err)
	for _, s := range segments {
		if _, err := w.disk.Stat(s.Name); err == nil && (!s.Whole || s.Entries == 0 || s.Checksum == crate.Checksum{}) {
			w.t.Errorf("%s: of %s the catalog says %+v", at, s.Name, s)
		}
	}
}

func TestRepack(t *testing.T) {
	for name, inBundles := range map[string]bool{"loose": false, "bundled": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, inBundles)
			done, err := w.run(w.disk)
			must(t, err)
			if done.Versions != 9 || done.FailedVersions != 0 || done.OutOfTime || done.Size == 0 || done.Packed == 0 {
				t.Errorf("%+v", done)
			}
			w.wantOnlyDeep("packed")
			done, err = w.run(w.disk)
			must(t, err)
			if done.Versions != 0 || done.SegmentsPublished != 0 {
				t.Errorf("again: %+v", done)
			}
		})
	}
}

// Both are kept, and a later run removes what the first left.
func TestKeep(t *testing.T) {
	for name, inBundles := range map[string]bool{"loose": false, "bundled": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, inBundles)
			w.change = func(cfg *Config) { cfg.Originals = nil }
			_, err := w.run(w.disk)
			must(t, err)
			w.check("kept")
			for _, v := range w.rows() {
				if v.Deep.Segment == "" || v.Loose == inBundles || v.Bundle == "" == inBundles {
					t.Errorf("%s is in %s", v.ID, v.Placement)
				}
			}
			w.change = func(*Config) {}
			_, err = w.run(w.disk)
			must(t, err)
			w.wantOnlyDeep("removed later")
		})
	}
}

func TestHotStays(t *testing.T) {
	w := newWorld(t, true)
	w.change = func(cfg *Config) { cfg.Hot = true }
	_, err := w.run(w.disk)
	must(t, err)
	w.check("packed")
	var hot []string
	for _, v := range w.rows() {
		if v.Deep.Segment == "" {
			t.Errorf("%s is not in a segment", v.ID)
		}
		if v.Bundle != "" {
			hot = append(hot, v.ID.String())
		}
	}
	if want := []string{"five 1.4.0", "one 1.0.0", "three 1.2.0"}; !slices.Equal(hot, want) {
		t.Errorf("in bundles are still %q, want %q", hot, want)
	}
}

// Few versions wait for others; then they are put together with a small pack, whose
// segment goes when more than half of it is garbage.
func TestSmallPacksGrow(t *testing.T) {
	w := newWorld(t, false)
	w.change = func(cfg *Config) { cfg.AtLeast = 2 }
	done, err := w.run(w.disk)
	must(t, err)
	if done.Versions != 8 || done.Waiting != 1 {
		t.Errorf("packed %d versions, %d wait, want 8 and 1", done.Versions, done.Waiting)
	}
	before := w.files(deep.Ext)
	w.put(false, crate.ID{Name: "five", Version: "1.5.0"}, crate.ID{Name: "five", Version: "1.6.0"},
		crate.ID{Name: "three", Version: "1.3.0"}, crate.ID{Name: "three", Version: "1.4.0"})
	done, err = w.run(w.disk)
	must(t, err)
	if done.Versions != 12 || done.Merged != 8 {
		t.Errorf("packed %d, merged %d, want 12 and 8", done.Versions, done.Merged)
	}
	w.check("grown")
	done, err = w.run(w.disk)
	must(t, err)
	if done.SegmentsRemoved != 1 || slices.Contains(w.files(deep.Ext), before[0]) {
		t.Errorf("removed %d segments, there are %q, want %q to be gone", done.SegmentsRemoved, w.files(deep.Ext), before)
	}
	w.check("after the garbage went")
}

func TestOutOfTime(t *testing.T) {
	w := newWorld(t, false)
	w.change = func(cfg *Config) { cfg.Deadline = time.Now().Add(-time.Second) }
	done, err := w.run(w.disk)
	if err != nil || !done.OutOfTime || done.Versions != 0 {
		t.Errorf("%+v, %v", done, err)
	}
	w.check("out of time")
}

// A version that is damaged in all its places stays where it is; all others are
// packed. One that is good in a bundle is packed from there.
func TestDamagedOriginal(t *testing.T) {
	w := newWorld(t, false)
	bad := crate.ID{Name: "five", Version: "1.2.0"}
	must(t, w.disk.Remove(bad.LoosePath()))
	f, err := w.disk.Create(bad.LoosePath())
	must(t, err)
	_, err = f.Write([]byte("other bytes"))
	must(t, err)
	must(t, f.Close())
	done, err := w.run(w.disk)
	must(t, err)
	if done.Versions != 8 || done.FailedVersions != 1 || len(done.Failed) != 1 || done.Failed[0].ID != bad {
		t.Errorf("%+v", done)
	}
	for _, v := range w.rows() {
		if (v.ID == bad) != v.Loose {
			t.Errorf("%s is in %s", v.ID, v.Placement)
		}
	}
}

// Versions that are not wanted any more make their part of a pack garbage. When that is
// more than half of a segment, the rest is packed again.
func TestRemovedVersionsAreGarbage(t *testing.T) {
	w := newWorld(t, false)
	_, err := w.run(w.disk)
	must(t, err)
	before := w.files(deep.Ext)
	drop := func(ids ...crate.ID) {
		cat := w.open()
		var batch catalog.Batch
		for _, id := range ids {
			for key := range w.data {
				if key.ID == id {
					batch.Dropped = append(batch.Dropped, key)
					delete(w.data, key)
				}
			}
		}
		must(t, cat.Commit(t.Context(), batch))
		must(t, cat.Close())
	}
	drop(crate.ID{Name: "five", Version: "1.0.0"})
	done, err := w.run(w.disk)
	if must(t, err); done.SegmentsRemoved != 0 || done.Versions != 0 {
		t.Errorf("one of nine is gone: %+v", done)
	}
	drop(crate.ID{Name: "five", Version: "1.1.0"}, crate.ID{Name: "five", Version: "1.2.0"}, crate.ID{Name: "five", Version: "1.3.0"},
		crate.ID{Name: "three", Version: "1.0.0"}, crate.ID{Name: "three", Version: "1.1.0"})
	done, err = w.run(w.disk)
	if must(t, err); done.SegmentsRemoved != 1 || done.Versions != 3 || slices.Contains(w.files(deep.Ext), before[0]) {
		t.Errorf("six of nine are gone: %+v, there are %q", done, w.files(deep.Ext))
	}
	w.check("after the garbage went")
}

// A disk that is nearly full ends a run before it is; what was recorded stays.
func TestReserve(t *testing.T) {
	w := newWorld(t, false)
	left := int64(2)
	_, err := w.run(nearlyFull{w.disk, &left})
	if !errors.Is(err, durable.ErrNoSpace) {
		t.Errorf("the run ends with %v", err)
	}
	w.check("the disk was nearly full")
	_, err = w.run(w.disk)
	must(t, err)
	w.wantOnlyDeep("with room again")
}

// nearlyFull has room for so many packs.
type nearlyFull struct {
	durable.FS
	left *int64
}

func (n nearlyFull) Free() (bytes, files int64, err error) {
	*n.left--
	return reserve + 1<<20*max(0, *n.left), -1, nil
}

func TestChoose(t *testing.T) {
	row := func(version, segment string, pack int64) catalog.Version {
		return catalog.Version{ID: crate.ID{Name: "a", Version: version}, Placement: store.Placement{Deep: store.DeepPlace{Segment: segment, Pack: pack}}}
	}
	many := func(n int, segment string, pack int64) (rows []catalog.Version) {
		for i := range n {
			rows = append(rows, row("1."+strings.Repeat("1", 1)+string(rune('0'+i%10))+".0-"+segment+string(rune('a'+i/10)), segment, pack))
		}
		return rows
	}
	for _, c := range []struct {
		name           string
		rows           []catalog.Version
		atLeast        int
		chosen, merged int
	}{
		{"all new", many(5, "", 0), 1, 5, 0},
		{"too few", many(5, "", 0), 6, 0, 0},
		{"nothing new", many(5, "s", 0), 1, 0, 0},
		{"a small pack grows", append(many(3, "s", 0), many(1, "", 0)...), 1, 4, 3},
		{"one that is much larger does not", append(many(9, "s", 0), many(2, "", 0)...), 1, 2, 0},
		{"nor a large one", append(many(33, "s", 0), many(20, "", 0)...), 1, 20, 0},
		{"two small ones", slices.Concat(many(2, "s", 0), many(8, "s", 9), many(1, "", 0)), 1, 11, 10},
		{"sparse", many(5, "sparse", 0), 1, 5, 5},
	} {
		chosen, merged := choose(c.rows, c.atLeast, map[string]bool{"sparse": true})
		if len(chosen) != c.chosen || merged != c.merged {
			t.Errorf("%s: chose %d, of them %d from packs, want %d and %d", c.name, len(chosen), merged, c.chosen, c.merged)
		}
		if !slices.IsSortedFunc(chosen, older) {
			t.Errorf("%s: not oldest first", c.name)
		}
	}
}

func TestShare(t *testing.T) {
	for n, want := range map[int]int{1: 1, 64: 64, 65: 33, 130: 44, 1000: 63} {
		if got := share(n); got != want {
			t.Errorf("of %d versions %d go into a pack, want %d", n, got, want)
		}
	}
}

// broken is a catalog that fails once.
type broken struct {
	Catalog
	failed bool
}

func (b *broken) Commit(ctx context.Context, batch catalog.Batch) error {
	if !b.failed {
		b.failed = true
		return context.Canceled
	}
	return b.Catalog.Commit(ctx, batch)
}

// A run that is out of time still records what it was about to record. A pack that is
// damaged has nothing to record by then, which is no reason to fail.
func TestRecordOnceMore(t *testing.T) {
	w := newWorld(t, false)
	w.change = func(cfg *Config) { cfg.Originals = nil }
	_, err := w.run(w.disk)
	must(t, err)
	rows := w.rows()
	segment := rows[0].Deep.Segment
	must(t, w.disk.Remove(segment))
	f, err := w.disk.Create(segment)
	must(t, err)
	must(t, f.Close())
	cat := w.open()
	defer cat.Close()
	r := &run{Config: Config{Catalog: &broken{Catalog: cat}, Segments: &Segments{folder: w.disk}}}
	r.fill()
	for _, pack := range byPack(rows) {
		r.pending = append(r.pending, &built{rows: pack, keep: true})
	}
	if err := r.record(t.Context()); !errors.Is(err, context.Canceled) {
		t.Fatalf("recording fails with %v", err)
	}
	must(t, r.record(t.Context()))
	if r.done.FailedVersions != int64(len(rows)) {
		t.Errorf("%d versions were not proved, want %d", r.done.FailedVersions, len(rows))
	}
}
