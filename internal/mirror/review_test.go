package mirror

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/indextest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/plan"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/simreg"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/upstream"
)

// The tests of this file are about bugs that a review found.

// The first answer is large and wrong, so it is spilled; the second is the
// crate, and small. What is published is the second.
func TestB1SpilledThenWhole(t *testing.T) {
	w := newWorld(t, parse("foo 1.0.0"))
	good, err := w.reg.CrateBytes(foo1)
	if err != nil {
		t.Fatal(err)
	}
	var n atomic.Int32
	portal := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		if n.Add(1) == 1 {
			io.WriteString(rw, strings.Repeat("<html>portal</html>", 60000))
			return
		}
		rw.Write(good)
	}))
	defer portal.Close()
	w.mustRun(func(c *Config) { c.URLs = urls(portal.URL) })
	if got, err := content(w.disk, foo1); err != nil || !bytes.Equal(got, good) {
		t.Errorf("under the final name: %d bytes %.40q, want the crate of %d (%v)", len(got), got, len(good), err)
	}
	if left := leftovers(t, w.disk); len(left) > 0 {
		t.Errorf("the spill is left: %v", left)
	}
}

// C4, C6: a file that a user copied in, without a sync, counts only when it is durable.
func TestC6AdoptedFilesAreSynced(t *testing.T) {
	for seed := range uint64(20) {
		w := newWorld(t, parse("foo 1.0.0"))
		w.disk.NoSyncAll = seed%2 == 0
		good, err := w.reg.CrateBytes(foo1)
		if err != nil {
			t.Fatal(err)
		}
		f, err := w.disk.Create(func() string { w.disk.MkdirAll("foo"); return foo1.LoosePath() }())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write(good); err != nil {
			t.Fatal(err)
		}
		f.Close()
		if s := w.mustRun(nil); s.VerifiedExisting != 1 {
			t.Fatalf("%+v", s.Counts)
		}
		if err := w.checkWhole(w.disk.Crash(rand.New(rand.NewPCG(seed, 2))), w.catalog.held()); err != nil {
			t.Fatalf("seed %d: recorded, power cut: %v", seed, err)
		}
	}
}

// Bytes that are no UTF-8, and control characters, in an answer cost that crate.
func TestHostileHeaderCostsOneCrate(t *testing.T) {
	w := newWorld(t, parse("foo 1.0.0\nox 0.3.0"))
	good, err := w.reg.CrateBytes(ox)
	if err != nil {
		t.Fatal(err)
	}
	hostile := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "/ox/") {
			rw.Write(good)
			return
		}
		conn, buf, err := rw.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		buf.WriteString("HTTP/1.1 200 OK\r\nbad\xff\xfe\x1b[2Jheader\r\n\r\n")
		buf.Flush()
		conn.Close()
	}))
	defer hostile.Close()
	s, err := w.run(context.Background(), w.disk, func(c *Config) { c.URLs = urls(hostile.URL) })
	if err != nil || s.Downloaded != 1 || s.Failed != 1 || len(w.records()) != 2 {
		t.Errorf("%v, %+v, %d records", err, s.Counts, len(w.records()))
	}
}

// Checksums from elsewhere count for crates that have not changed in the index.
func TestChecksumsReachUnchangedCrates(t *testing.T) {
	w := gitWorld(t, parse(small))
	w.mustRun(nil)
	s, err := w.run(context.Background(), w.disk, func(c *Config) {
		c.Source = plan.FromIndex(w.read, plan.Checksums{foo1: sha256.Sum256([]byte("other"))})
	})
	if err != nil || s.Complete(false) || s.Errors() != 1 {
		t.Errorf("%v, %+v", err, s.Counts)
	}
	if s, err := w.run(context.Background(), w.disk, nil); err != nil || s.Existing != 5 {
		t.Errorf("without them again: %v, %+v", err, s.Counts)
	}
}

// gitWorld is newWorld with a git repository as index, where crates that have
// not changed are not read.
func gitWorld(t *testing.T, reg *simreg.Registry) *world {
	t.Helper()
	indextest.NeedGit(t)
	w := newWorld(t, reg)
	w.index = filepath.Join(t.TempDir(), "index.git")
	w.commit()
	return w
}

// commit publishes what the registry says now and returns the commit's id.
func (w *world) commit() string {
	w.t.Helper()
	id, err := w.reg.CommitIndex(w.t.Context(), w.index, "x")
	if err != nil {
		w.t.Fatal(err)
	}
	return id
}

// What is not complete is read again, whatever the index says has not changed.
func TestIncompleteCratesAreReadAgain(t *testing.T) {
	for name, spoil := range map[string]func(w *world) func(*Config){
		"an item failed": func(w *world) func(*Config) {
			w.reg.Inject(foo1, simreg.Fault{Kind: simreg.Status, Code: 404})
			return nil
		},
		"limit":  func(*world) func(*Config) { return func(c *Config) { c.Limit = 3 } },
		"yanked": func(*world) func(*Config) { return func(c *Config) { c.IncludeYanked = false } },
	} {
		t.Run(name, func(t *testing.T) {
			w := gitWorld(t, parse(small))
			if _, err := w.run(context.Background(), w.disk, spoil(w)); err != nil {
				t.Fatal(err)
			}
			if s := w.mustRun(nil); s.OK() != 5 || s.Downloaded == 0 {
				t.Errorf("the next run: %+v, want the rest downloaded", s.Counts)
			}
			if s := w.mustRun(func(c *Config) { c.VerifyExisting = true }); s.VerifiedExisting != 5 {
				t.Errorf("-verify-existing of unchanged crates: %+v", s.Counts)
			}
		})
	}
}

// A list does not have yanks, so it does not change them.
func TestListLeavesYankedAlone(t *testing.T) {
	w := newWorld(t, parse(small))
	w.mustRun(nil)
	sum, err := w.reg.Checksum(foo11)
	if err != nil {
		t.Fatal(err)
	}
	w.mustRun(func(c *Config) {
		c.Source = plan.FromList([]plan.Item{{ID: foo11, Checksum: sum, URL: c.URLs.URL(foo11, sum)}}, nil)
		c.VerifyExisting = true
	})
	if v := w.catalog.versions[foo11]; !v.Yanked {
		t.Errorf("the catalog says that %v is not yanked", foo11)
	}
}

// Crates that vanish one by one never add up to a shrink, and a shrink that was
// accepted is not refused by the next run.
func TestA17ShrinkIsAcceptedOnce(t *testing.T) {
	var text strings.Builder
	for i := range 40 {
		fmt.Fprintf(&text, "crate-%02d 1.0.0\n", i)
	}
	w := newWorld(t, parse(text.String()))
	w.mustRun(nil)
	gone := crate.ID{Name: "crate-00", Version: "1.0.0"}
	remove := func(from, to int) {
		for i := from; i < to; i++ {
			w.reg.Remove(crate.ID{Name: fmt.Sprintf("crate-%02d", i), Version: "1.0.0"})
		}
		w.index = t.TempDir()
		w.writeIndex()
	}
	for i := range 4 {
		remove(i, i+1)
		w.mustRun(nil)
	}
	if v := w.catalog.versions[gone]; v.Listed {
		t.Errorf("a crate that vanished is still listed: %+v", v)
	}
	if _, err := content(w.disk, gone); err != nil {
		t.Errorf("and was not kept: %v", err)
	}
	remove(4, 20)
	if _, err := w.run(context.Background(), w.disk, nil); err == nil {
		t.Fatal("16 of 36 crates vanished, and the run did not stop")
	}
	w.mustRun(func(c *Config) { c.AcceptShrink = true })
	w.mustRun(nil)
}

// A9, A17: no crate at all is no index.
func TestA17EmptyIndex(t *testing.T) {
	w := newWorld(t, parse(small))
	w.index = t.TempDir()
	if _, err := w.run(context.Background(), w.disk, nil); !errors.Is(err, index.ErrEmpty) {
		t.Errorf("err = %v", err)
	}
	w.mustRun(func(c *Config) { c.AcceptShrink = true })
}

// A8: a name that comes back in another case is the same crate, and pinned. With
// the real catalog.
func TestA8CaseOfTheName(t *testing.T) {
	cat, err := catalog.Open(filepath.Join(t.TempDir(), "catalog.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer cat.Close()
	real := func(c *Config) { c.Catalog = cat }
	w := newWorld(t, parse("foo 1.0.0"))
	w.mustRun(real)
	old, err := content(w.disk, foo1)
	if err != nil {
		t.Fatal(err)
	}
	other := newWorld(t, parse("Foo 1.0.0"))
	other.disk = w.disk
	s, err := other.run(context.Background(), other.disk, real)
	if err != nil || s.Sound() || s.Violated != 1 {
		t.Errorf("%v, %+v", err, s.Counts)
	}
	rows, err := cat.Versions(context.Background(), "FOO")
	if err != nil || len(rows) != 1 || rows[0].ID != foo1 || rows[0].Checksum != sha256.Sum256(old) {
		t.Errorf("the pin has changed: %+v, %v", rows, err)
	}
}

// C12, C31: where nothing can be written, not everything is fetched in vain.
func TestC12DeadStoreStopsTheRun(t *testing.T) {
	for _, broken := range []error{syscall.EIO, syscall.EACCES} {
		w := newWorld(t, simreg.Demo())
		bad := durabletest.Hook(w.disk, func(op durabletest.Op) durabletest.Fault {
			if op.Kind == durabletest.OpCreate && strings.HasPrefix(op.Name, ".clonecratesio/tmp/") {
				return durabletest.Fault{Err: broken}
			}
			return durabletest.Fault{}
		})
		_, err := w.run(context.Background(), bad, nil)
		if n := w.reg.TotalRequests(); !errors.Is(err, broken) || n > 100 {
			t.Errorf("%v: err = %v after %d requests", broken, err, n)
		}
		w.mustRun(nil)
	}
}

// A list of many versions of one crate asks the catalog once.
func TestListAsksTheCatalogOncePerCrate(t *testing.T) {
	var entries []plan.Item
	for i := range 500 {
		entries = append(entries, plan.Item{ID: crate.ID{Name: []string{"one", "two"}[i%2], Version: fmt.Sprintf("1.0.%d", i)}})
	}
	counting := &countingCatalog{memCatalog: newMemCatalog()}
	totals, err := plan.DryRun(context.Background(), plan.Config{Source: plan.FromList(entries, nil)}, plan.Held{Catalog: counting}, nil)
	if err != nil || totals.Versions != 500 || counting.asked != 2 {
		t.Errorf("%+v, %v; asked %d times", totals, err, counting.asked)
	}
}

type countingCatalog struct {
	*memCatalog
	asked int
}

func (c *countingCatalog) Versions(ctx context.Context, name string) ([]catalog.Version, error) {
	c.asked++
	return c.memCatalog.Versions(ctx, name)
}

// Time left is that of the work, not of what was held already.
func TestLeft(t *testing.T) {
	c := Counts{
		Plan: &plan.Totals{Versions: 1100}, Existing: 1000, Downloaded: 50, Elapsed: 15 * time.Second, Planning: 5 * time.Second,
	}
	if got := c.Left(); got != 10*time.Second {
		t.Errorf("50 of 100 in 10 s: %v left", got)
	}
	if got := (Counts{Plan: &plan.Totals{Versions: 10}, Elapsed: time.Second}).Left(); got != 0 {
		t.Errorf("nothing done yet: %v left, want unknown", got)
	}
}

// Passwords of URLs do not get into records.
func TestRecordHasNoPassword(t *testing.T) {
	w := newWorld(t, parse("foo 1.0.0"))
	w.mustRun(func(c *Config) { c.URLs = urls(strings.Replace(w.server.BaseURL, "http://", "http://user:s3cret@", 1)) })
	if rec := w.records()["foo 1.0.0"]; rec.URL != w.server.BaseURL+"/foo/foo-1.0.0.crate" {
		t.Errorf("url = %s", rec.URL)
	}
}

// C28: a panic in one item costs that item.
func TestC28PanicCostsItsItem(t *testing.T) {
	w := newWorld(t, parse(small))
	s, err := w.run(context.Background(), w.disk, func(c *Config) { c.Fetch = panicking{c.Fetch} })
	if err != nil || s.Downloaded != 4 || s.Failed != 1 {
		t.Errorf("%v, %+v", err, s.Counts)
	}
	if rec := w.records()["ox 0.3.0"]; rec.OK || !strings.Contains(rec.Error, "panic: no ox") {
		t.Errorf("record: %+v", rec)
	}
	w.mustRun(nil)
}

// panicking panics over one crate.
type panicking struct{ Fetcher }

func (p panicking) Fetch(ctx context.Context, req upstream.Request) (*upstream.Body, upstream.Stats, error) {
	if req.ID == ox {
		panic("no ox")
	}
	return p.Fetcher.Fetch(ctx, req)
}

// C1: a run that is cut off between the removal of loose files and their rows leaves
// rows of both places. The plan puts right those that the index names; of others, the
// next run does, and a file that is there stays.
func TestC1RemovedVersionInBothPlaces(t *testing.T) {
	w := newWorld(t, parse(small))
	w.bundle = in1500()
	storeLoose(w)
	w.mustRun(nil)
	there := w.bytesOf(foo11)
	for _, id := range []crate.ID{foo1, foo11, bar} {
		v := w.catalog.versions[id]
		if v.Loose || v.Bundle == "" {
			t.Fatalf("%v is at %+v", id, v.Placement)
		}
		v.Loose = true
		w.catalog.versions[id] = v
		w.vanish(id)
	}
	must(t, w.disk.MkdirAll(path.Dir(foo11.LoosePath())))
	must(t, durable.WriteFile(w.disk, foo11.LoosePath(), there))
	lost := w.catalog.versions[bar]
	flip(t, w.disk, lost.Bundle, lost.Offset+lost.FrameSize/2)
	must(t, os.RemoveAll(w.index))
	w.writeIndex()
	w.mustRun(func(cfg *Config) { cfg.AcceptShrink = true })
	for id, loose := range map[crate.ID]bool{foo1: false, foo11: true, bar: true} {
		if v := w.catalog.versions[id]; v.Listed || v.Loose != loose || v.Bundle == "" {
			t.Errorf("%v is at %+v, loose should be %t", id, v.Placement, loose)
		}
	}
	if n, settled, err := store.CountEvidence(w.quarantine()); err != nil || n+settled > 0 {
		t.Errorf("%d in quarantine, %v", n, err)
	}
}
