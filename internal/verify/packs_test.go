package verify_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/deep"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store/packed"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/verify"
)

// archive is a deep archive of a mirror in memory.
type archive struct {
	errs   map[crate.ID]error // what is wrong with versions, or
	packs  map[int64]error    // with packs
	before func()             // a pack is decoded
	asked  []string           // the packs that were decoded, with the depth and the number of versions
}

func (m *mirror) CheckPack(_ context.Context, rows []packed.Row, depth deep.Depth) []error {
	a := &m.archive
	if a.before != nil {
		a.before()
	}
	at := rows[0].At
	a.asked = append(a.asked, fmt.Sprintf("%s %d: %d at depth %d", at.Segment, at.Pack, len(rows), depth))
	errs := make([]error, len(rows))
	for i, row := range rows {
		errs[i] = a.packs[at.Pack]
		if err := a.errs[row.ID]; err != nil {
			errs[i] = err
		}
	}
	return errs
}

// inPacks says that versions are in packs of so many, and in no others that they were in.
func (m *mirror) inPacks(t *testing.T, ids []crate.ID, size int, change func(*catalog.Version)) {
	t.Helper()
	var rows []catalog.Version
	for i, id := range ids {
		row := m.row(id)
		row.Placement = store.Placement{Deep: store.DeepPlace{Segment: deep.FileName(0), Pack: int64(i / size), PackSize: 1, Number: i % size}}
		if change != nil {
			change(&row)
		}
		rows = append(rows, row)
	}
	if err := m.Commit(t.Context(), catalog.Batch{Versions: rows}); err != nil {
		t.Fatal(err)
	}
}

func oneWorker(cfg *verify.Config) { cfg.Workers = 1 }

// Each pack of a page is decoded once, and what is found is told by version, in order.
func TestPacksAreDecodedOnce(t *testing.T) {
	m := newMirror(t, 100)
	m.inPacks(t, m.ids, 40, nil)
	m.archive.packs = map[int64]error{1: &deep.DamageError{Segment: deep.FileName(0)}}
	m.archive.errs = map[crate.ID]error{
		m.ids[2]: fs.ErrNotExist, m.ids[7]: &deep.DamageError{}, m.ids[90]: fmt.Errorf("reading: %w", &fs.PathError{Op: "read", Path: "x", Err: syscall.EIO}),
	}
	want := []string{"missing: " + m.ids[2].String(), "damaged: " + m.ids[7].String()}
	for _, id := range m.ids[40:80] {
		want = append(want, "damaged: "+id.String())
	}
	want = append(want, "unreadable: "+m.ids[90].String())
	found, s, err := m.run(t.Context(), oneWorker)
	if err != nil || !s.Complete || s.Versions != 100 || s.Last != m.ids[99] {
		t.Errorf("%+v, %v", s, err)
	}
	if diff := cmp.Diff(want, found); diff != "" {
		t.Error(diff)
	}
	var size int64
	for i, id := range m.ids {
		if i < 40 && i != 2 && i != 7 || i >= 80 && i != 90 {
			size += int64(len(m.files[id]))
		}
	}
	if s.Bytes != size {
		t.Errorf("%d bytes, want %d", s.Bytes, size)
	}
	if diff := cmp.Diff([]string{"deep-0000.zst 0: 40 at depth 2", "deep-0000.zst 1: 40 at depth 2", "deep-0000.zst 2: 20 at depth 2"}, m.archive.asked); diff != "" {
		t.Error(diff)
	}
}

// A page ends where a crate does, so that the packs of one with many versions, which do
// not follow each other in the catalog, are decoded once: unless it has thousands.
func TestPagesAreWholeCrates(t *testing.T) {
	m := newMirror(t, 300)
	var big []crate.ID
	for i := range 400 {
		id := crate.ID{Name: "crate0042a", Version: fmt.Sprintf("%d.0.0", i)}
		big = append(big, id)
		m.files[id] = []byte(id.String())
	}
	m.inPacks(t, m.ids, 3, func(v *catalog.Version) { v.Deep.Segment = deep.FileName(1) })
	m.inPacks(t, big, 50, nil)
	found, s, err := m.run(t.Context(), oneWorker)
	if err != nil || len(found) > 0 || !s.Complete || s.Versions != 700 || s.Passed != 700 || s.Last != m.ids[299] {
		t.Errorf("found %v, %+v, %v", found, s, err)
	}
	slices.Sort(m.archive.asked)
	if len(m.archive.asked) != 108 || len(slices.Compact(m.archive.asked)) != 108 {
		t.Errorf("%d packs were decoded, want each of 108 once: %q", len(m.archive.asked), m.archive.asked)
	}
	s, err = verify.Run(t.Context(), verify.Config{Catalog: m.Catalog, Store: m, After: big[7], Workers: 1, Found: func(verify.Problem) error { return nil }})
	if err != nil || !s.Complete || s.Last != m.ids[299] {
		t.Errorf("%+v, %v", s, err)
	}
}

// What is loose or in a bundle as well is verified there, and in its pack.
func TestPackedAndLoose(t *testing.T) {
	m := newMirror(t, 4)
	m.inPacks(t, m.ids, 4, func(v *catalog.Version) { v.Loose = true })
	m.files[m.ids[1]] = []byte("other bytes")
	m.archive.errs = map[crate.ID]error{m.ids[1]: fs.ErrNotExist, m.ids[3]: &deep.DamageError{}}
	found, _, err := m.run(t.Context(), oneWorker)
	want := []string{"damaged: " + m.ids[1].String(), "missing: " + m.ids[1].String(), "damaged: " + m.ids[3].String()}
	if diff := cmp.Diff(want, found); diff != "" || err != nil || len(m.archive.asked) != 1 {
		t.Errorf("%v, %d packs: %s", err, len(m.archive.asked), diff)
	}
}

// A loose file that is gone is no problem where the deep archive has the crate: repack was
// killed before it could say that it has removed it. One that is damaged is; and so is
// one that is gone where the pack is bad.
func TestRemovedWhilePacking(t *testing.T) {
	m := newMirror(t, 4)
	m.inPacks(t, m.ids, 4, func(v *catalog.Version) { v.Loose = true })
	delete(m.files, m.ids[0])
	delete(m.files, m.ids[1])
	m.files[m.ids[2]] = []byte("other bytes")
	m.archive.errs = map[crate.ID]error{m.ids[1]: &deep.DamageError{}}
	found, _, err := m.run(t.Context(), oneWorker)
	want := []string{"missing: " + m.ids[1].String(), "damaged: " + m.ids[1].String(), "damaged: " + m.ids[2].String()}
	if diff := cmp.Diff(want, found); diff != "" || err != nil {
		t.Errorf("%v: %s", err, diff)
	}
}

// With TarsOnly the tars are hashed; but what was bad stays so until its .crate was
// rebuilt, and is not looked at twice.
func TestTarsOnly(t *testing.T) {
	m := newMirror(t, 6)
	m.inPacks(t, m.ids, 6, nil)
	_, s, err := m.run(t.Context(), func(cfg *verify.Config) { cfg.TarsOnly, cfg.Again, cfg.Workers = true, m.ids[4:5], 1 })
	if err != nil || s.Versions != 6 || s.Again != 1 {
		t.Errorf("%+v, %v", s, err)
	}
	if diff := cmp.Diff([]string{"deep-0000.zst 0: 1 at depth 2", "deep-0000.zst 0: 5 at depth 1"}, m.archive.asked); diff != "" {
		t.Error(diff)
	}
}

// A version that was packed again meanwhile is looked at where it is now.
func TestPackedAgainMeanwhile(t *testing.T) {
	m := newMirror(t, 6)
	m.inPacks(t, m.ids, 6, nil)
	m.archive.packs = map[int64]error{0: fs.ErrNotExist}
	calls := 0
	found, _, err := m.run(t.Context(), func(cfg *verify.Config) {
		cfg.Workers = 1
		cfg.Catalog = lookups{m.Catalog, func() {
			if calls++; calls == 1 { // between the first look and the second
				m.inPacks(t, m.ids[:5], 5, func(v *catalog.Version) { v.Deep.Segment, v.Deep.Pack = deep.FileName(1), 9 })
			}
		}}
	})
	if want := []string{"missing: " + m.ids[5].String()}; err != nil || !slices.Equal(found, want) {
		t.Errorf("found %v, want %v; %v", found, want, err)
	}
}

// A run that is stopped in a pack tells nothing of it.
func TestStoppedInAPack(t *testing.T) {
	m := newMirror(t, 6)
	m.inPacks(t, m.ids, 6, nil)
	ctx, cancel := context.WithCancel(t.Context())
	m.archive.packs = map[int64]error{0: context.Canceled}
	m.archive.before = cancel
	found, s, err := m.run(ctx, oneWorker)
	if !errors.Is(err, context.Canceled) || s.Complete || len(found) > 0 || len(m.archive.asked) != 1 || s.Last != (crate.ID{}) {
		t.Errorf("found %v, %+v, %v", found, s, err)
	}
}
