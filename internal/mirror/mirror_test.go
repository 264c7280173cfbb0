package mirror

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/indextest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/plan"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/runlog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/simreg"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/simreg/badindex"
)

const small = `
	foo 1.0.0
	foo 1.1.0 yanked
	foo 2.0.0+meta
	Bar-baz 0.1.0
	ox 0.3.0
`

var foo1, foo11, bar, ox = crate.ID{Name: "foo", Version: "1.0.0"}, crate.ID{Name: "foo", Version: "1.1.0"},
	crate.ID{Name: "Bar-baz", Version: "0.1.0"}, crate.ID{Name: "ox", Version: "0.3.0"}

var ash = crate.ID{Name: "ash", Version: "2.0.0"} // of the demo

func TestRunTwice(t *testing.T) {
	w := newWorld(t, simreg.Demo())
	total := int64(w.reg.Len())
	first := w.mustRun(nil)
	if first.Downloaded != total || first.Missing != 0 {
		t.Errorf("first run: %+v, want %d downloaded", first.Counts, total)
	}
	if err := w.checkWhole(w.disk, w.catalog.held()); err != nil {
		t.Error(err)
	}
	if n := len(w.records()); int64(n) != total {
		t.Errorf("the manifest has %d records, want %d", n, total)
	}
	requests := w.reg.TotalRequests()
	second := w.mustRun(nil)
	if second.Existing != total || second.Downloaded != 0 {
		t.Errorf("second run: %+v; want all existing", second.Counts)
	}
	if n := w.reg.TotalRequests() - requests; n != 0 {
		t.Errorf("the second run made %d requests", n)
	}
	for key, rec := range w.records() {
		if rec.Status != runlog.Existing || !rec.OK || rec.SHA256 == "" || rec.Size == 0 || rec.Storage != runlog.Filesystem {
			t.Errorf("%s: %+v, want a full record of an existing file", key, rec)
		}
	}
	if left := leftovers(t, w.disk); len(left) > 0 {
		t.Errorf("temporary files left: %v", left)
	}
}

// What git says is unchanged is not read, and yet every version is looked for.
func TestUnchangedCratesAreNotRead(t *testing.T) {
	indextest.NeedGit(t)
	w := newWorld(t, simreg.Demo())
	w.index = filepath.Join(t.TempDir(), "index.git")
	commit := func() {
		if _, err := w.reg.CommitIndex(t.Context(), w.index, "x"); err != nil {
			t.Fatal(err)
		}
	}
	commit()
	w.mustRun(nil)
	if s := w.mustRun(nil); s.Plan.Unchanged != 63 || s.Existing != 319 {
		t.Errorf("nothing new: %+v, plan %+v", s.Counts, s.Plan)
	}
	w.reg.Add(simreg.MustParse("ox 0.3.1")...)
	commit()
	if err := w.disk.Remove(ash.LoosePath()); err != nil {
		t.Fatal(err)
	}
	s := w.mustRun(nil)
	if s.Plan.Unchanged != 61 || s.Downloaded != 2 || s.Existing != 318 {
		t.Errorf("one new version, one file removed: %+v, plan %+v", s.Counts, s.Plan)
	}
	if w.catalog.revision.Commit == "" || w.catalog.revision.Time.IsZero() {
		t.Errorf("the catalog does not know the commit: %+v", w.catalog.revision)
	}
}

// A file of a plain folder is read, to know that it has not changed, but not parsed.
func TestUnchangedFilesAreNotParsed(t *testing.T) {
	w := newWorld(t, simreg.Demo())
	w.mustRun(nil)
	if s := w.mustRun(nil); s.Plan.Unchanged != 63 || s.Plan.Crates != 63 || s.Existing != 319 {
		t.Errorf("nothing new: %+v, plan %+v", s.Counts, s.Plan)
	}
	w.reg.Add(simreg.MustParse("ox 0.3.1")...)
	w.writeIndex()
	if err := w.disk.Remove(ash.LoosePath()); err != nil {
		t.Fatal(err)
	}
	s := w.mustRun(nil)
	if s.Plan.Unchanged != 61 || s.Plan.Crates != 63 || s.Downloaded != 2 || s.Existing != 318 {
		t.Errorf("one new version, one file removed: %+v, plan %+v", s.Counts, s.Plan)
	}
	if err := w.checkWhole(w.disk, w.catalog.held()); err != nil {
		t.Error(err)
	}
}

func TestRecord(t *testing.T) {
	w := newWorld(t, parse(small))
	w.mustRun(nil)
	got := w.records()["foo 2.0.0+meta"]
	sum, _ := w.reg.Checksum(crate.ID{Name: "foo", Version: "2.0.0+meta"})
	want := runlog.Record{
		SchemaVersion: 1, URL: w.server.BaseURL + "/foo/foo-2.0.0%2Bmeta.crate", Path: got.Path, Storage: "filesystem",
		Size: got.Size, SHA256: sum.String(), StartedAt: got.StartedAt, FinishedAt: got.FinishedAt, OK: true,
		Status: "downloaded", Crate: "foo", Version: "2.0.0+meta", Prev: got.Prev,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("record (-want +got):\n%s", diff)
	}
	if !strings.HasSuffix(got.Path, "foo-2.0.0+meta.crate") || !strings.HasPrefix(got.Path, "out") {
		t.Errorf("path = %q", got.Path)
	}
}

func TestYankedOnRequest(t *testing.T) {
	w := newWorld(t, parse(small))
	without := func(c *Config) { c.IncludeYanked = false }
	s := w.mustRun(without)
	if _, err := content(w.disk, foo11); !errors.Is(err, fs.ErrNotExist) || s.Plan.Yanked != 1 || s.Downloaded != 4 {
		t.Errorf("yanked left out: %v, plan %+v", err, s.Plan)
	}
	// What was complete without yanked versions is not with them.
	if s := w.mustRun(nil); s.Downloaded != 1 || s.Existing != 4 {
		t.Errorf("with yanked: %+v, want one downloaded", s.Counts)
	}
	if s := w.mustRun(without); s.Existing != 4 || s.Plan.Yanked != 1 {
		t.Errorf("without again: %+v %+v, want the yanked one left out of the records", s.Counts, s.Plan)
	}
}

func TestYankFlipsReachTheCatalog(t *testing.T) {
	w := newWorld(t, parse(small))
	w.mustRun(nil)
	w.reg.Yank(foo1, true)
	w.reg.Remove(crate.ID{Name: "foo", Version: "2.0.0+meta"})
	w.writeIndex()
	s := w.mustRun(nil)
	if v := w.catalog.versions[foo1]; !v.Yanked || !v.Listed || s.Downloaded != 0 {
		t.Errorf("yanked version: %+v; %+v", v, s.Counts)
	}
	gone := crate.ID{Name: "foo", Version: "2.0.0+meta"}
	if v := w.catalog.versions[gone]; v.Listed {
		t.Errorf("version that vanished from the index is still listed: %+v", v)
	}
	if _, err := content(w.disk, gone); err != nil {
		t.Errorf("version that vanished from the index was not kept: %v", err)
	}
}

func TestLimit(t *testing.T) {
	w := newWorld(t, parse(small))
	s := w.mustRun(func(c *Config) { c.Limit = 2 })
	if s.Downloaded != 2 {
		t.Errorf("%+v, want 2 downloaded", s.Counts)
	}
	if s := w.mustRun(nil); s.Downloaded != 3 || s.Existing != 2 {
		t.Errorf("%+v, want the other 3", s.Counts)
	}
}

// A8: bytes never change. Ours stay, the new ones are set aside, the run says so.
func TestA8ChecksumChangedUpstream(t *testing.T) {
	w := newWorld(t, parse(small))
	w.mustRun(nil)
	old, err := content(w.disk, foo1)
	if err != nil {
		t.Fatal(err)
	}
	w.reg.ReplaceBytes(foo1)
	w.writeIndex()
	for range 2 {
		s, err := w.run(context.Background(), w.disk, nil)
		if err != nil || s.Sound() || s.Violated != 1 || s.Existing != 4 || s.Quarantined != 1 {
			t.Errorf("run: %v, %+v, %d in quarantine", err, s.Counts, s.Quarantined)
		}
		if got, err := content(w.disk, foo1); err != nil || !bytes.Equal(got, old) {
			t.Errorf("the bytes that we hold have changed (%v)", err)
		}
	}
	if rec := w.records()["foo 1.0.0"]; rec.OK || !strings.Contains(rec.Error, "the version was mirrored with another") {
		t.Errorf("record: %+v", rec)
	}
}

// A17, A18: an index that lost many crates, or went back in time, stops the run.
func TestA17IndexShrank(t *testing.T) {
	w := newWorld(t, simreg.Demo())
	w.mustRun(nil)
	all := w.index
	w.index = t.TempDir()
	w.reg = parse(small)
	w.writeIndex()
	_, err := w.run(context.Background(), w.disk, nil)
	if err == nil || !strings.Contains(err.Error(), "62 of the 63 crates that were mirrored are no longer in the index") {
		t.Errorf("err = %v", err)
	}
	w.index = all
	w.reg = simreg.Demo()
	if err := w.checkWhole(w.disk, w.catalog.held()); err != nil {
		t.Error("something was lost: ", err)
	}
}

func TestA18IndexRolledBack(t *testing.T) {
	w := newWorld(t, parse(small))
	w.mustRun(nil)
	day := time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)
	w.catalog.revision = catalog.Revision{Commit: "newer", Time: day}
	older := func(accept bool) func(*Config) {
		return func(c *Config) {
			c.Source = aged{c.Source, catalog.Revision{Commit: "older", Time: day.Add(-time.Hour)}}
			c.AcceptShrink = accept
		}
	}
	_, err := w.run(context.Background(), w.disk, older(false))
	if err == nil || !strings.Contains(err.Error(), "the index went back in time: it has commit older of 2026-01-01T23:00:00Z") {
		t.Errorf("err = %v", err)
	}
	w.mustRun(older(true))
	if w.catalog.revision.Commit != "older" {
		t.Errorf("accepted, but the catalog says %+v", w.catalog.revision)
	}
}

// aged is a source with another revision.
type aged struct {
	plan.Source
	rev catalog.Revision
}

func (a aged) Revision() (catalog.Revision, plan.Scope) { return a.rev, plan.Whole }

func TestVerifyExisting(t *testing.T) {
	w := newWorld(t, parse(small))
	w.mustRun(nil)
	before := w.reg.TotalRequests()
	s := w.mustRun(func(c *Config) { c.VerifyExisting = true })
	if s.VerifiedExisting != 5 || w.reg.TotalRequests() != before {
		t.Errorf("%+v, want 5 hashed again and no request", s.Counts)
	}
}

// A lost catalog costs hashing, but no downloads.
func TestLostCatalog(t *testing.T) {
	w := newWorld(t, parse(small))
	w.mustRun(nil)
	before := w.reg.TotalRequests()
	w.catalog = newMemCatalog()
	if s := w.mustRun(nil); s.VerifiedExisting != 5 || w.reg.TotalRequests() != before {
		t.Errorf("%+v, want 5 hashed and no request", s.Counts)
	}
	if s := w.mustRun(nil); s.Existing != 5 {
		t.Errorf("%+v, want the catalog complete again", s.Counts)
	}
}

// A1-A16: a hostile index costs its own lines and nothing else, and nothing is
// written outside the mirror (which is a disk in memory: there is no outside,
// and every name was checked).
func TestA1HostileIndex(t *testing.T) {
	dir := t.TempDir()
	bad, err := badindex.Write(dir)
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, bad.Registry)
	w.index = dir
	s, err := w.run(context.Background(), w.disk, nil)
	if err != nil || s.BadEntries == 0 || s.Complete(true) {
		t.Fatalf("%v, %+v", err, s.Counts)
	}
	for _, id := range bad.Survive {
		if _, err := content(w.disk, id); err != nil {
			t.Errorf("%v should have survived: %v", id, err)
		}
	}
	if err := w.checkWhole(w.disk, nil); err != nil {
		t.Error(err)
	}
}

func TestDryRunTouchesNothing(t *testing.T) {
	w := newWorld(t, parse(small))
	w.mustRun(func(c *Config) { c.Limit = 2 })
	ops := 0
	st := openStore(t, durabletest.Hook(w.disk, func(op durabletest.Op) durabletest.Fault {
		switch op.Kind {
		case durabletest.OpStat, durabletest.OpReadDir, durabletest.OpOpen, durabletest.OpRead, durabletest.OpClose:
		default:
			ops++
			t.Errorf("a dry run does %v", op)
		}
		return durabletest.Fault{}
	}))
	requests := w.reg.TotalRequests()
	totals, err := plan.DryRun(context.Background(), plan.Config{Source: w.source(), IncludeYanked: true}, plan.Held{Catalog: w.catalog, Store: st}, nil)
	if err != nil || totals.Versions != 5 || totals.Held != 2 || totals.Fetch != 3 {
		t.Errorf("%+v, %v; want 2 of 5 held", totals, err)
	}
	if w.reg.TotalRequests() != requests {
		t.Error("a dry run made requests")
	}
	if totals, err := plan.DryRun(context.Background(), plan.Config{Source: w.source()}, plan.Held{}, nil); err != nil || totals.Fetch != 4 || totals.Yanked != 1 {
		t.Errorf("nothing held: %+v, %v", totals, err)
	}
}

// C2: also while planning, when the next callee only knows that the context is over.
func TestC2StoppedWhilePlanning(t *testing.T) {
	w := newWorld(t, parse(small))
	ctx, cancel := context.WithCancelCause(context.Background())
	stop := errors.New("stop")
	_, err := w.run(ctx, w.disk, func(c *Config) { c.Source = stopping{c.Source, func() { cancel(stop) }} })
	if !errors.Is(err, stop) {
		t.Errorf("stopped while planning: %v", err)
	}
}

// stopping is a source during which a run is stopped.
type stopping struct {
	plan.Source
	stop func()
}

func (s stopping) Groups(ctx context.Context, _ plan.Want, _ func(*plan.Group) error) error {
	s.stop()
	<-ctx.Done()
	return fmt.Errorf("reading from the catalog: %w", ctx.Err())
}
