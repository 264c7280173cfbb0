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

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/plan"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/upstream"
)

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
	if rec := w.records()["foo 1.0.0"]; !strings.Contains(rec.Error, "still sends the earlier bytes") {
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

// staleFetch returns the same bytes of foo 1.0.0 for every request.
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

// An unknown file in the place of the new bytes goes to quarantine, as ever.
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
