package verify_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/verify"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// mirror is a catalog of n versions, and a store in memory.
type mirror struct {
	*catalog.Catalog
	ids    []crate.ID
	files  map[crate.ID][]byte
	errs   map[crate.ID]error
	opened func(id crate.ID) // before a file is opened

	archive archive
}

func newMirror(t *testing.T, n int) *mirror {
	t.Helper()
	cat, err := catalog.Open(filepath.Join(t.TempDir(), "catalog.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cat.Close() })
	m := &mirror{Catalog: cat, files: map[crate.ID][]byte{}, errs: map[crate.ID]error{}}
	var rows []catalog.Version
	for i := range n {
		id := crate.ID{Name: fmt.Sprintf("crate%04d", i/3), Version: fmt.Sprintf("1.0.%d", i%3)}
		m.ids = append(m.ids, id)
		m.files[id] = []byte(id.String())
		rows = append(rows, m.row(id))
	}
	if err := cat.Commit(t.Context(), catalog.Batch{Versions: rows}); err != nil {
		t.Fatal(err)
	}
	return m
}

func (m *mirror) row(id crate.ID) catalog.Version {
	return catalog.Version{ID: id, Checksum: sha256.Sum256(m.files[id]), Size: int64(len(m.files[id])), Placement: store.Placement{Loose: true}, Listed: true, VerifiedAt: time.Unix(1, 0)}
}

func (m *mirror) Stat(crate.ID) (int64, error) { panic("not asked") }

func (m *mirror) Open(_ context.Context, key crate.Key, at store.Placement) (store.Content, error) {
	id := key.ID
	if at.Republished != "" {
		return nil, fs.ErrNotExist
	}
	if m.opened != nil {
		m.opened(id)
	}
	if err := m.errs[id]; err != nil {
		return nil, err
	}
	data, ok := m.files[id]
	if !ok {
		return nil, fs.ErrNotExist
	}
	return store.InMemory(data), nil
}

// run verifies, and returns what was found as "kind: id".
func (m *mirror) run(ctx context.Context, change func(*verify.Config)) (found []string, s *verify.Summary, err error) {
	cfg := verify.Config{Catalog: m, Store: m, Workers: 4, Found: func(p verify.Problem) error {
		found = append(found, fmt.Sprintf("%s: %s", p.Kind, p.ID))
		return nil
	}}
	if change != nil {
		change(&cfg)
	}
	s, err = verify.Run(ctx, cfg)
	return found, s, err
}

func TestG6EveryKindIsFoundInOrder(t *testing.T) {
	m := newMirror(t, 1000)
	m.files[m.ids[3]] = []byte("other bytes")
	m.files[m.ids[500]] = nil // an empty file
	delete(m.files, m.ids[501])
	m.errs[m.ids[999]] = &fs.PathError{Op: "read", Path: "x", Err: syscall.EIO} // C13
	found, s, err := m.run(t.Context(), nil)
	if err != nil || !s.Complete || s.Versions != 1000 || s.Last != m.ids[999] {
		t.Errorf("%+v, %v", s, err)
	}
	want := []string{
		"damaged: " + m.ids[3].String(), "damaged: " + m.ids[500].String(), "missing: " + m.ids[501].String(),
		"unreadable: " + m.ids[999].String(),
	}
	if diff := cmp.Diff(want, found); diff != "" {
		t.Error(diff)
	}
}

// C21: a writer that moves a crate while it is looked at is no damage.
func TestC21MovedMeanwhile(t *testing.T) {
	m := newMirror(t, 10)
	moved, id := false, m.ids[4]
	data := m.files[id]
	m.errs[id] = fs.ErrNotExist
	m.opened = func(asked crate.ID) {
		if asked == id && !moved {
			moved = true
			return
		}
		if asked == id {
			m.errs[id], m.files[id] = nil, data
		}
	}
	row := m.row(id)
	row.Loose, row.Bundle, row.Offset, row.FrameSize = false, "bundle-0000.tar.zst", 5, 7
	calls := 0
	found, _, err := m.run(t.Context(), func(cfg *verify.Config) {
		cfg.Catalog = lookups{m.Catalog, func() {
			if calls++; calls == 1 { // between the first look and the second
				if err := m.Commit(t.Context(), catalog.Batch{Versions: []catalog.Version{row}}); err != nil {
					t.Error(err)
				}
			}
		}}
		cfg.Workers = 1
	})
	if err != nil || len(found) > 0 || calls == 0 {
		t.Errorf("found %v, %d lookups, %v", found, calls, err)
	}
}

// lookups calls before at each look into a version's rows.
type lookups struct {
	*catalog.Catalog
	before func()
}

func (l lookups) BytesOf(ctx context.Context, id crate.ID) ([]catalog.Version, error) {
	l.before()
	return l.Catalog.BytesOf(ctx, id)
}

// G7: slices that end anywhere cover everything once, and what one of them found bad
// stays so until it is good.
func TestG7Slices(t *testing.T) {
	m := newMirror(t, 2000)
	bad := m.ids[100]
	m.files[bad] = []byte("rotten")
	state, err := durable.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer state.Close()
	var c verify.Cursor
	total := int64(0)
	for slices := 0; ; slices++ {
		ctx, cancel := context.WithCancel(t.Context())
		opened := 0
		m.opened = func(crate.ID) {
			if opened++; opened == 700 {
				cancel()
			}
		}
		var found []crate.ID
		s, err := verify.Run(ctx, verify.Config{Catalog: m, Store: m, Workers: 1, Again: c.Bad, After: c.After,
			Found: func(p verify.Problem) error { found = append(found, p.ID); return nil }})
		cancel()
		if err != nil && !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		c.Advance(s, found, time.Unix(9, 0))
		if err := c.Write(state); err != nil {
			t.Fatal(err)
		}
		if c, err = verify.ReadCursor(state); err != nil {
			t.Fatal(err)
		}
		total += s.Versions
		if len(c.Bad) != 1 || c.Bad[0] != bad {
			t.Fatalf("bad: %v", c.Bad)
		}
		if s.Complete {
			if slices < 2 {
				t.Errorf("%d slices", slices)
			}
			break
		}
	}
	if total < 2000 || total > 2000+5*700 || c.Finished.IsZero() || !c.Begun.IsZero() {
		t.Errorf("%d versions hashed, cursor %+v", total, c)
	}
	m.files[bad] = []byte(bad.String())
	m.opened = nil
	s, err := verify.Run(t.Context(), verify.Config{Catalog: m, Store: m, Again: c.Bad, Found: func(p verify.Problem) error { return p.Err }})
	if err != nil {
		t.Fatal(err)
	}
	if c.Advance(s, nil, time.Unix(10, 0)); len(c.Bad) != 0 {
		t.Errorf("still bad: %v", c.Bad)
	}
}

// What is known to be bad stays known, whenever a run is stopped and whichever
// sweep it belongs to, until it was looked at again.
func TestG7BadIsNotForgotten(t *testing.T) {
	m := newMirror(t, 400)
	var c verify.Cursor
	run := func(ctx context.Context) (found []crate.ID, s *verify.Summary) {
		s, err := verify.Run(ctx, verify.Config{Catalog: m, Store: m, Workers: 1, Again: c.Bad, After: c.After,
			Found: func(p verify.Problem) error { found = append(found, p.ID); return nil }})
		if err != nil && !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		c.Advance(s, found, time.Unix(9, 0))
		return found, s
	}
	bad := []crate.ID{m.ids[0], m.ids[1], m.ids[399]}
	for _, id := range bad {
		delete(m.files, id)
	}
	c.Begin(crate.Shard{}, time.Unix(1, 0))
	if _, s := run(t.Context()); !s.Complete || !slices.Equal(c.Bad, bad) {
		t.Fatalf("complete %t, bad: %v", s.Complete, c.Bad)
	}

	// The next sweep is stopped while it looks at the first of them, which is
	// good by now, and then at the second.
	c.Begin(crate.Shard{}, time.Unix(10, 0))
	m.files[bad[0]] = []byte(bad[0].String())
	for stopAt, want := range [][]crate.ID{bad, bad[1:]} {
		ctx, cancel := context.WithCancel(t.Context())
		m.opened = func(id crate.ID) {
			if id == bad[stopAt] {
				cancel()
			}
		}
		_, s := run(ctx)
		cancel()
		if s.Complete || s.Passed != 0 || c.Versions != 0 || c.After != (crate.ID{}) || !slices.Equal(c.Bad, want) {
			t.Errorf("stopped at bad version %d: %+v, cursor %+v", stopAt, s, c)
		}
	}

	// In one run each is looked at once.
	looks := map[crate.ID]int{}
	m.opened = func(id crate.ID) { looks[id]++ }
	found, s := run(t.Context())
	if !s.Complete || !slices.Equal(found, bad[1:]) || !slices.Equal(c.Bad, bad[1:]) || looks[bad[2]] != 1 || looks[bad[0]] != 1 {
		t.Errorf("found %v, bad %v, %d looks at the last: %+v", found, c.Bad, looks[bad[2]], s)
	}

	// After a repair they alone are looked at.
	m.files[bad[1]], m.opened = []byte(bad[1].String()), nil
	s, err := verify.Again(t.Context(), verify.Config{Catalog: m, Store: m, Again: c.Bad, Found: func(verify.Problem) error { return nil }})
	if err != nil || s.Again != 2 || s.Complete || s.Problems[verify.Missing] != 1 {
		t.Errorf("%+v, %v", s, err)
	}
	if c.Advance(s, bad[2:], time.Unix(11, 0)); !slices.Equal(c.Bad, bad[2:]) || !c.Finished.Equal(time.Unix(9, 0)) {
		t.Errorf("cursor %+v", c)
	}
}

// What was bad is slow to read, on a disk that fails: it is read by all workers, and
// told in order.
func TestG7BadIsReadByAllWorkers(t *testing.T) {
	m := newMirror(t, 9)
	var both sync.WaitGroup
	both.Add(2)
	m.opened = func(id crate.ID) {
		if id == m.ids[0] || id == m.ids[1] {
			both.Done()
			both.Wait() // forever, if one were read after the other
		}
	}
	for _, id := range m.ids {
		m.errs[id] = fs.ErrNotExist
	}
	var found []crate.ID
	s, err := verify.Again(t.Context(), verify.Config{Catalog: m, Store: m, Workers: 2, Again: m.ids, Found: func(p verify.Problem) error {
		found = append(found, p.ID)
		return nil
	}})
	if err != nil || s.Again != len(m.ids) || !slices.Equal(found, m.ids) {
		t.Errorf("%+v, %v: found %v", s, err, found)
	}
}

// G7: wherever a run is stopped, also in the middle of a question to the catalog,
// it says why.
func TestG7StoppedSaysWhy(t *testing.T) {
	m := newMirror(t, 10)
	why := errors.New("enough for today")
	for _, again := range [][]crate.ID{nil, m.ids[:1]} {
		ctx, stop := context.WithCancelCause(t.Context())
		stop(why)
		_, s, err := m.run(ctx, func(cfg *verify.Config) { cfg.Again = again })
		if err != why || s.Complete {
			t.Errorf("%v, %+v", err, s)
		}
	}
}

func TestFoundEndsTheRun(t *testing.T) {
	m := newMirror(t, 300)
	delete(m.files, m.ids[0])
	stop := errors.New("enough")
	_, s, err := m.run(t.Context(), func(cfg *verify.Config) { cfg.Found = func(verify.Problem) error { return stop } })
	if !errors.Is(err, stop) || s.Complete {
		t.Errorf("%+v, %v", s, err)
	}
}

// G7: whatever happens while the cursor is written, it is the old one or the new
// one.
func TestG7CursorSurvivesPowerCuts(t *testing.T) {
	was := verify.Cursor{Begun: time.Unix(1, 0).UTC(), After: crate.ID{Name: "a", Version: "1.0.0"}, Versions: 1}
	now := was
	now.After.Name, now.Versions = "b", 2
	rnd := rand.New(rand.NewPCG(1, 2))
	disk := durabletest.NewMem()
	if err := was.Write(disk); err != nil {
		t.Fatal(err)
	}
	for n := 1; ; n++ {
		mem := disk.Kill()
		var wrecks []*durabletest.Mem
		bad := durabletest.Hook(mem, func(op durabletest.Op) (f durabletest.Fault) {
			wrecks = append(wrecks, mem.Kill(), mem.Crash(rnd))
			if op.N == n {
				f = durabletest.Fault{Err: syscall.EIO, Persisted: n%2 == 0}
			}
			return f
		})
		err := now.Write(bad)
		if bad.Ops() < n {
			break
		}
		for _, wreck := range append(wrecks, mem) {
			got, rerr := verify.ReadCursor(wreck)
			if rerr != nil || !cmp.Equal(got, was) && !cmp.Equal(got, now) {
				t.Errorf("operation %d: %+v, %v", n, got, rerr)
			}
		}
		if err == nil {
			t.Errorf("operation %d failed, and nothing is told", n)
		}
	}
}
