package mirror

import (
	"bytes"
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/plan"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/simreg"
)

// bytesOf returns upstream's bytes of a version.
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

// A8: a version whose other bytes were not accepted may still be removed and published again.
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

// A crate with versions that could never be downloaded is missed like any other.
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

// What was accepted stays so: a run that was cut off before it had the new bytes is
// resumed, although nothing of the index's history is new any more.
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
