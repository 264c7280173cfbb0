package mirror

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/plan"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/simreg"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/upstream"
)

// bytesOf returns what upstream has of a version.
func (w *world) bytesOf(id crate.ID) []byte {
	w.t.Helper()
	data, err := w.reg.CrateBytes(id)
	must(w.t, err)
	return data
}

// wantSuperseded wants the mirror to have the bytes of now under the version's
// name, and those of before under their checksum, loose.
func (w *world) wantSuperseded(id crate.ID, now, before []byte, was crate.Checksum) {
	w.t.Helper()
	if got, err := content(w.disk, id); err != nil || !bytes.Equal(got, now) {
		w.t.Errorf("%v has %d bytes, %v, want those of now", id, len(got), err)
	}
	if got, err := durable.ReadFile(w.disk, id.RepublishedPath(was.FileKey()), 1<<20); err != nil || !bytes.Equal(got, before) {
		w.t.Errorf("of before, %v has %d bytes, %v", id, len(got), err)
	}
	v, ok := w.catalog.others[crate.Key{ID: id, Checksum: was}]
	if !ok || v.SupersededAt.IsZero() || v.Listed || v.Republished != was.FileKey() {
		w.t.Errorf("the row of the bytes of before is %+v", v)
	}
}

// A8: a version that the index did not name in an earlier run may come back with
// other bytes. They become the version's, once, and the next run has nothing to
// say.
func TestA8RepublishedAfterItVanished(t *testing.T) {
	w := newWorld(t, parse(small))
	w.mustRun(nil)
	before, was := w.bytesOf(foo1), mustSum(w, foo1)
	spec := simreg.MustParse("foo 1.0.0")[0]
	w.reg.Remove(foo1)
	w.writeIndex()
	w.mustRun(nil)
	if seen, _ := w.catalog.WasRemoved(context.Background(), crate.Key{ID: foo1, Checksum: was}); seen.IsZero() {
		t.Fatal("that the version vanished was not noted")
	}
	w.reg.Add(spec)
	w.reg.ReplaceBytes(foo1)
	w.writeIndex()
	s := w.mustRun(nil)
	if s.Downloaded != 1 || s.Republished != 1 || s.Plan.Republished != 1 || s.Quarantined != 0 {
		t.Errorf("%+v", s.Counts)
	}
	w.wantSuperseded(foo1, w.bytesOf(foo1), before, was)
	if rec := w.records()["foo 1.0.0"]; !rec.OK || rec.Replaces != was.String() || rec.SHA256 != mustSum(w, foo1).String() {
		t.Errorf("record %+v", rec)
	}
	if s := w.mustRun(nil); s.Downloaded != 0 || s.Republished != 0 || s.Existing != 5 {
		t.Errorf("once more: %+v", s.Counts)
	}
}

func mustSum(w *world, id crate.ID) crate.Checksum {
	w.t.Helper()
	sum, err := w.reg.Checksum(id)
	must(w.t, err)
	return sum
}

// A8: what is accepted without a person, and what is not.
func TestA8AcceptRepublished(t *testing.T) {
	day := time.Date(2026, 1, 10, 0, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		name   string
		rule   plan.AcceptRepublished
		absent time.Time // of a commit of the index's history; zero: there is none
		byHand bool
		want   bool
	}{
		{"the index never was without it", plan.AcceptVanished, time.Time{}, false, false},
		{"its history shows that it was, two days ago", plan.AcceptVanished, day.Add(-48 * time.Hour), false, true},
		{"its history shows that it was, an hour ago", plan.AcceptVanished, day.Add(-time.Hour), false, false},
		{"never, whatever its history", plan.AcceptNever, day.Add(-48 * time.Hour), false, false},
		{"never, but for a person", plan.AcceptNever, time.Time{}, true, true},
		{"always", plan.AcceptAlways, time.Time{}, false, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, parse(small))
			past := func(cfg *Config) {
				cfg.AcceptRepublished = tt.rule
				cfg.Source = withPast{cfg.Source.(plan.Index), catalog.Revision{Commit: "now", Time: day}, tt.absent}
			}
			w.mustRun(past)
			before, was := w.bytesOf(foo1), mustSum(w, foo1)
			w.reg.ReplaceBytes(foo1)
			w.writeIndex()
			if tt.byHand {
				must(t, w.catalog.Commit(context.Background(), catalog.Batch{Accepted: []crate.Key{{ID: foo1, Checksum: mustSum(w, foo1)}}}))
			}
			s, err := w.run(context.Background(), w.disk, past)
			must(t, err)
			if s.Complete(false) != tt.want || s.Sound() != tt.want {
				t.Fatalf("complete %t, sound %t: %+v", s.Complete(false), s.Sound(), s.Counts)
			}
			if tt.want {
				w.wantSuperseded(foo1, w.bytesOf(foo1), before, was)
				return
			}
			if got, err := content(w.disk, foo1); err != nil || !bytes.Equal(got, before) {
				t.Errorf("what was not accepted has changed the file: %v", err)
			}
			if rec := w.records()["foo 1.0.0"]; !strings.Contains(rec.Error, "clonecratesio accept foo 1.0.0") {
				t.Errorf("the record does not say what to do: %q", rec.Error)
			}
		})
	}
}

// A8: that a version was removed once accepts nothing any more when the index has
// named its bytes again, also if others were the version's in between.
func TestA8RemovalEndsWithTheReturn(t *testing.T) {
	w := newWorld(t, parse(small))
	w.mustRun(nil)
	first := mustSum(w, foo1)
	remove := func() {
		w.reg.Remove(foo1)
		w.writeIndex()
		w.mustRun(nil)
	}
	remove()
	w.reg.Add(simreg.MustParse("foo 1.0.0")...)
	w.reg.ReplaceBytes(foo1)
	w.writeIndex()
	w.mustRun(nil)
	remove()
	w.reg.Restore(foo1, first)
	w.writeIndex()
	w.mustRun(nil)
	w.reg.ReplaceBytes(foo1)
	w.reg.ReplaceBytes(foo1) // neither those of now nor those in between
	w.writeIndex()
	s, err := w.run(context.Background(), w.disk, nil)
	if err != nil || s.Sound() || s.Plan.Conflicts != 1 {
		t.Errorf("bytes that the index never was without were replaced: %v, %+v", err, s.Counts)
	}
}

// A8: a version whose other bytes nobody accepted may still be removed and
// published again.
func TestA8RemovedAfterAConflict(t *testing.T) {
	for name, whole := range map[string]bool{"the version": false, "the crate": true} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, parse(small))
			run := func() *Summary {
				must(t, os.RemoveAll(w.index))
				w.writeIndex()
				s, err := w.run(context.Background(), w.disk, func(cfg *Config) { cfg.AcceptShrink = true })
				must(t, err)
				return s
			}
			run()
			before, was := w.bytesOf(foo1), mustSum(w, foo1)
			w.reg.ReplaceBytes(foo1)
			if s := run(); s.Plan.Conflicts != 1 {
				t.Fatalf("no conflict: %+v", s.Plan)
			}
			for _, id := range w.reg.IDs() {
				if id == foo1 || whole && id.Name == foo1.Name {
					w.reg.Remove(id)
				}
			}
			run()
			w.reg.Add(simreg.MustParse("foo 1.0.0")...)
			w.reg.ReplaceBytes(foo1)
			if s := run(); s.Plan.Conflicts != 0 || s.Republished != 1 {
				t.Errorf("it was removed, and yet: %+v", s.Plan)
			}
			w.wantSuperseded(foo1, w.bytesOf(foo1), before, was)
		})
	}
}

// A8: who makes a commit of the index writes its date, so that one of the future
// makes no day go by.
func TestA8CommitOfTheFuture(t *testing.T) {
	w := newWorld(t, parse(small))
	absent := time.Now()
	past := func(cfg *Config) {
		cfg.Source = withPast{cfg.Source.(plan.Index), catalog.Revision{Commit: "now", Time: absent.Add(48 * time.Hour)}, absent}
	}
	w.mustRun(past)
	w.reg.ReplaceBytes(foo1)
	w.writeIndex()
	if s, err := w.run(context.Background(), w.disk, past); err != nil || s.Plan.Conflicts != 1 {
		t.Errorf("accepted a day that did not go by: %v, %+v", err, s.Counts)
	}
}

// A crate of which something could never be had is missed like any other.
func TestIncompleteCrateVanishes(t *testing.T) {
	w := newWorld(t, parse(small))
	w.reg.Inject(foo1, simreg.Fault{Kind: simreg.Status, Code: 404, Times: -1})
	if s, err := w.run(context.Background(), w.disk, nil); err != nil || s.Gone != 1 {
		t.Fatalf("%v, %+v", err, s.Counts)
	}
	for _, id := range w.reg.IDs() {
		if id.Name == foo1.Name {
			w.reg.Remove(id)
		}
	}
	must(t, os.RemoveAll(w.index))
	w.writeIndex()
	if _, err := w.run(context.Background(), w.disk, nil); err == nil {
		t.Errorf("it was not missed: %v", err)
	}
	w.mustRun(func(cfg *Config) { cfg.AcceptShrink = true })
	for id, v := range w.catalog.versions {
		if seen, _ := w.catalog.WasRemoved(context.Background(), v.Key()); id.Name == foo1.Name && (v.Listed || seen.IsZero()) {
			t.Errorf("%v is listed: %t, removed: %v", id, v.Listed, seen)
		}
	}
}

// withPast is an index with another revision and history.
type withPast struct {
	plan.Index
	rev    catalog.Revision
	absent time.Time
}

func (s withPast) Revision() (catalog.Revision, plan.Scope) { return s.rev, plan.Whole }

func (s withPast) AbsentSince(_ context.Context, id crate.ID, since string) (index.Revision, bool, error) {
	if since != "now" {
		return index.Revision{}, false, errors.New("asked about " + since)
	}
	return index.Revision{Commit: "earlier", Time: s.absent}, id == foo1 && !s.absent.IsZero(), nil
}

// What was accepted stays so: a run that was cut off before it had the new bytes
// is gone on with, although nothing of the index's history is new any more.
func TestAcceptanceOutlivesTheRun(t *testing.T) {
	w := newWorld(t, parse(small))
	w.mustRun(nil)
	w.reg.ReplaceBytes(foo1)
	w.reg.Inject(foo1, simreg.Fault{Kind: simreg.Status, Code: 500, Times: -1})
	w.writeIndex()
	s, err := w.run(context.Background(), w.disk, func(c *Config) { c.AcceptRepublished = plan.AcceptAlways })
	if err != nil || s.Complete(false) || !s.Sound() {
		t.Fatalf("%v, %+v", err, s.Counts)
	}
	w.reg.Heal()
	if s := w.mustRun(nil); s.Republished != 1 {
		t.Errorf("%+v", s.Counts)
	}
}

// crates.io#10887: a cache that still gives out the earlier bytes costs patience,
// and is no alarm.
func TestUpstreamStillHasTheEarlierBytes(t *testing.T) {
	w := newWorld(t, parse(small))
	w.mustRun(nil)
	before := w.bytesOf(foo1)
	w.reg.ReplaceBytes(foo1)
	w.writeIndex()
	s, err := w.run(context.Background(), w.disk, func(c *Config) {
		c.AcceptRepublished = plan.AcceptAlways
		c.Fetch = staleFetch{c.Fetch, before}
	})
	if err != nil || s.Failed != 1 || s.Violated != 0 || s.Quarantined != 0 {
		t.Errorf("%v, %+v", err, s.Counts)
	}
	if rec := w.records()["foo 1.0.0"]; !strings.Contains(rec.Error, "still gives out the bytes that it had before") {
		t.Errorf("record %+v", rec)
	}
	if got, err := content(w.disk, foo1); err != nil || !bytes.Equal(got, before) {
		t.Errorf("the bytes of before are gone: %v", err)
	}
}

// A cache that gives out the earlier bytes is asked again in a later pass, in which
// caches are asked to look: the version waits for no other run.
func TestEarlierBytesAreAskedForAgain(t *testing.T) {
	w := newWorld(t, parse(versions("foo", 30)))
	w.mustRun(nil)
	id := crate.ID{Name: "foo", Version: "7.0.0"}
	before, was := w.bytesOf(id), mustSum(w, id)
	w.reg.ReplaceBytes(id)
	w.writeIndex()
	synctest.Test(t, func(t *testing.T) {
		m := &moody{w: w, start: time.Now(), asked: map[crate.ID][]time.Duration{}, fails: func(_ crate.ID, call int) error {
			if call > 1 {
				return nil
			}
			return &upstream.MismatchError{Err: &crate.ChecksumError{ID: id, Got: was, Size: int64(len(before))}, Attempts: 3}
		}}
		s, err := w.run(t.Context(), w.disk, func(c *Config) {
			c.Fetch, c.SecondPass, c.AcceptRepublished = m, 5*time.Second, plan.AcceptAlways
		})
		if err != nil || s.Downloaded != 1 || s.Failed+s.Violated+int64(s.Quarantined) != 0 || !s.Complete(false) {
			t.Errorf("%v, %+v", err, s.Counts)
		}
		if want := []time.Duration{0, 5 * time.Second}; !slices.Equal(m.asked[id], want) {
			t.Errorf("asked at %v, want %v", m.asked[id], want)
		}
	})
	w.wantSuperseded(id, w.bytesOf(id), before, was)
}

// staleFetch gives out the same bytes for foo 1.0.0, whatever is asked for.
type staleFetch struct {
	Fetcher
	data []byte
}

func (s staleFetch) Fetch(ctx context.Context, req upstream.Request) (*upstream.Body, upstream.Stats, error) {
	if req.ID != foo1 {
		return s.Fetcher.Fetch(ctx, req)
	}
	sent := &crate.ChecksumError{ID: req.ID, Want: req.Checksum, Got: sha256.Sum256(s.data), Size: int64(len(s.data))}
	return nil, upstream.Stats{}, &upstream.MismatchError{Err: sent}
}

// The index may come back to bytes that it named before: they are held.
func TestBackToTheEarlierBytes(t *testing.T) {
	for _, b := range []*bundling{nil, in1500()} {
		w := newWorld(t, parse(small))
		w.bundle = b
		w.mustRun(nil)
		first, err := w.reg.IndexFile("3/f/foo")
		must(t, err)
		was := mustSum(w, foo1)
		w.reg.ReplaceBytes(foo1)
		w.writeIndex()
		w.mustRun(func(c *Config) { c.AcceptRepublished = plan.AcceptAlways })
		between := mustSum(w, foo1)
		must(t, os.WriteFile(filepath.Join(w.index, "3", "f", "foo"), first, 0o644))
		s := w.mustRun(func(c *Config) { c.AcceptRepublished = plan.AcceptAlways })
		if s.Downloaded != 0 || s.VerifiedExisting != 1 {
			t.Errorf("%+v", s.Counts)
		}
		if v := w.catalog.versions[foo1]; v.Checksum != was || !v.Listed {
			t.Errorf("the row is %+v", v)
		}
		if v, ok := w.catalog.others[crate.Key{ID: foo1, Checksum: between}]; !ok || v.SupersededAt.IsZero() {
			t.Errorf("the row of the bytes between is %+v", v)
		}
		if s := w.mustRun(nil); s.Existing != 5 {
			t.Errorf("once more: %+v", s.Counts)
		}
	}
}

// What stands where the bytes of before go to, and is not them, goes to quarantine;
// it used to stop the version in every run.
func TestA8DamagedFileWhereEarlierBytesGo(t *testing.T) {
	w := newWorld(t, parse(small))
	w.mustRun(nil)
	before, was := w.bytesOf(foo1), mustSum(w, foo1)
	name := foo1.RepublishedPath(was.FileKey())
	must(t, w.disk.MkdirAll(path.Dir(name)))
	must(t, durable.WriteFile(w.disk, name, before[:len(before)-1]))
	w.reg.ReplaceBytes(foo1)
	w.writeIndex()
	s, err := w.run(context.Background(), w.disk, func(c *Config) { c.AcceptRepublished = plan.AcceptAlways })
	if err != nil || !s.Complete(false) || s.Downloaded != 1 || s.Failed != 0 {
		t.Errorf("%v, %+v", err, s.Counts)
	}
	w.wantSuperseded(foo1, w.bytesOf(foo1), before, was)
	found := 0
	for e, err := range w.quarantine() {
		if found++; err != nil || e.ID != foo1 || !strings.Contains(e.Reason, was.String()) {
			t.Errorf("%+v, %v", e, err)
		}
	}
	if found != 1 {
		t.Errorf("%d files are in quarantine", found)
	}
	// A person looks at what was damaged by itself; the run has nothing to do.
	if s, err := w.run(context.Background(), w.disk, nil); err != nil || s.Existing != 5 || !s.Complete(false) {
		t.Errorf("once more: %v, %+v", err, s.Counts)
	}
}

// What stands in the way of the new bytes and is nothing that we know goes to
// quarantine, as ever.
func TestRepublishedOverDamage(t *testing.T) {
	w := newWorld(t, parse(small))
	w.mustRun(nil)
	w.damage(foo1, []byte("neither the bytes of now nor those of before"))
	w.reg.ReplaceBytes(foo1)
	w.writeIndex()
	s, err := w.run(context.Background(), w.disk, func(c *Config) { c.AcceptRepublished = plan.AcceptAlways })
	if err != nil || !s.Complete(false) || s.Quarantined != 1 {
		t.Errorf("%v, %+v", err, s.Counts)
	}
	if got, err := content(w.disk, foo1); err != nil || !bytes.Equal(got, w.bytesOf(foo1)) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if len(w.catalog.others) != 0 {
		t.Errorf("the catalog says that bytes are held which are lost: %+v", w.catalog.others)
	}
	if _, err := w.disk.Stat("republished"); err == nil {
		entries, _ := w.disk.ReadDir("republished")
		t.Errorf("%v", entries)
	} else if !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

// A8: bytes that wait for a person are fetched once, and not at all if the version
// had them before; each run says so all the same.
func TestA8ConflictIsFetchedOnce(t *testing.T) {
	w := newWorld(t, parse(small))
	run := func(requests int, want string) {
		t.Helper()
		w.writeIndex()
		before := w.settled()
		s, err := w.run(context.Background(), w.disk, func(cfg *Config) { cfg.AcceptRepublished = plan.AcceptNever })
		must(t, err)
		if s.Plan.Conflicts != 1 || s.Violated != 1 || s.Sound() {
			t.Errorf("no conflict: %+v", s.Counts)
		}
		if n := w.settled() - before; n != requests {
			t.Errorf("%d requests, want %d", n, requests)
		}
		if rec := w.records()["foo 1.0.0"]; rec.OK || !strings.Contains(rec.Error, want) {
			t.Errorf("record %+v", rec)
		}
	}
	w.mustRun(nil)
	first := mustSum(w, foo1)
	w.reg.ReplaceBytes(foo1)
	run(1, "the new bytes are at ")
	run(0, "the new bytes are at ")

	w.mustRun(func(cfg *Config) { cfg.AcceptRepublished = plan.AcceptAlways })
	w.reg.Remove(foo1)
	w.reg.Restore(foo1, first)
	run(0, "it had these bytes before, and they are held")
}
