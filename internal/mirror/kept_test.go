package mirror

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/plan"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store/loose"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/upstream"
)

// storages are the ways in which a mirror keeps crates.
func storages() map[string]*bundling {
	return map[string]*bundling{"loose": nil, "only": {target: 1500}, "add": {target: 1500, add: true}}
}

// republished is a mirror of foo 1.0.0 with its current and its earlier bytes.
func republished(t *testing.T, b *bundling) (w *world, before crate.Key) {
	t.Helper()
	w = newWorld(t, parse(small))
	w.bundle = b
	w.mustRun(nil)
	before = crate.Key{ID: foo1, Checksum: mustSum(w, foo1)}
	w.republish(foo1)
	w.writeIndex()
	w.mustRun(func(c *Config) { c.AcceptRepublished = plan.AcceptAlways })
	return w, before
}

// A8: a catalog that was lost is built again with the bytes that versions had
// before, in republished/ and in bundles: nothing is fetched, nothing is said to
// have been published again, and the rows are what they were.
func TestA8CatalogLost(t *testing.T) {
	for name, b := range storages() {
		t.Run(name, func(t *testing.T) {
			w, before := republished(t, b)
			want := w.catalog.clone()
			w.catalog = newMemCatalog()
			s := w.mustRun(func(c *Config) { c.HeldOnly = true })
			if s.Downloaded != 0 || s.Republished != 0 || s.Quarantined != 0 || s.Total() != 5 {
				t.Errorf("%+v", s.Counts)
			}
			times := cmpopts.EquateApproxTime(time.Hour)
			ignore := cmpopts.IgnoreFields(catalog.Version{}, "VerifiedAt")
			if diff := cmp.Diff(want.others, w.catalog.others, times, ignore); diff != "" {
				t.Errorf("bytes of before (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(want.versions, w.catalog.versions, times); diff != "" {
				t.Errorf("bytes of now (-want +got):\n%s", diff)
			}
			if _, ok := w.catalog.others[before]; !ok {
				t.Error("the bytes of before are not known any more")
			}
			if s := w.mustRun(nil); s.Existing != 5 {
				t.Errorf("once more: %+v", s.Counts)
			}
		})
	}
}

// A crate whose versions were all published again costs time by their number, not its
// square: in the run that sees it, and in one that finds the files again.
func TestA8ManyRepublished(t *testing.T) {
	const n = 60
	w := newWorld(t, parse(versions("many", n)))
	w.mustRun(nil)
	for _, id := range w.all() {
		w.republish(id)
	}
	w.writeIndex()
	run := func(what string, change func(*Config)) *Summary {
		t.Helper()
		rows := &rowCatalog{memCatalog: w.catalog}
		s := w.mustRun(func(c *Config) { c.Catalog = rows; change(c) })
		if given := rows.given.Load(); given > 12*n {
			t.Errorf("%s: %d rows were read of %d versions", what, given, n)
		}
		return s
	}
	s := run("published again", func(c *Config) { c.AcceptRepublished = plan.AcceptAlways })
	if s.Republished != n {
		t.Errorf("%+v", s.Counts)
	}
	w.catalog = newMemCatalog()
	run("the catalog is lost", func(*Config) {})
	if len(w.catalog.others) != n || len(w.catalog.versions) != n {
		t.Errorf("%d rows of now, %d of before", len(w.catalog.versions), len(w.catalog.others))
	}
	run("nothing is new", func(*Config) {})
}

// A8: a crate that comes back under a name in another case, with bytes that a version
// had before, leaves their file behind. The runs that follow know it, and neither
// hash it nor take the bytes for those of before.
func TestA8EarlierBytesInAnotherCase(t *testing.T) {
	cat, err := catalog.Open(filepath.Join(t.TempDir(), "catalog.db"))
	must(t, err)
	defer cat.Close()
	w := newWorld(t, parse("foo 1.0.0"))
	change := func(c *Config) { c.Catalog, c.AcceptRepublished = cat, plan.AcceptAlways }
	w.mustRun(change)
	first, was := w.bytesOf(foo1), mustSum(w, foo1)
	line, err := w.reg.IndexFile("3/f/foo")
	must(t, err)
	w.reg.ReplaceBytes(foo1)
	w.writeIndex()
	w.mustRun(change)

	line = bytes.Replace(line, []byte(`"foo"`), []byte(`"Foo"`), 1)
	must(t, os.WriteFile(filepath.Join(w.index, "3", "f", "foo"), line, 0o644))
	upper := crate.ID{Name: "Foo", Version: "1.0.0"}
	w.mustRun(func(c *Config) { change(c); c.Fetch = fixedFetch(first) })
	left := foo1.RepublishedPath(was.FileKey())
	for run := range 3 {
		opened := 0
		disk := durabletest.Hook(w.disk, func(op durabletest.Op) durabletest.Fault {
			if op.Kind == durabletest.OpOpen && op.Name == left {
				opened++
			}
			return durabletest.Fault{}
		})
		s, err := w.run(context.Background(), disk, change)
		if err != nil || s.Existing != 1 || s.Republished != 0 || opened != 0 {
			t.Errorf("run %d: %d times read; %v, %+v", run, opened, err, s.Counts)
		}
		if v, err := cat.Version(context.Background(), upper); err != nil || v.Checksum != was || !v.Listed || v.Republished != "" {
			t.Errorf("run %d: the row is %+v, %v", run, v, err)
		}
	}
	if got, err := content(w.disk, upper); err != nil || !bytes.Equal(got, first) {
		t.Errorf("the crate has %d bytes, %v", len(got), err)
	}
}

// fixedFetch returns the same bytes for every request.
type fixedFetch []byte

func (f fixedFetch) Fetch(context.Context, upstream.Request) (*upstream.Body, upstream.Stats, error) {
	return &upstream.Body{Data: f, Size: int64(len(f))}, upstream.Stats{Attempts: 1}, nil
}

// rowCatalog counts the rows that it returns.
type rowCatalog struct {
	*memCatalog
	given atomic.Int64
}

func (c *rowCatalog) Versions(ctx context.Context, name string) ([]catalog.Version, error) {
	list, err := c.memCatalog.Versions(ctx, name)
	c.given.Add(int64(len(list)))
	return list, err
}

func (c *rowCatalog) BytesOf(ctx context.Context, id crate.ID) ([]catalog.Version, error) {
	list, err := c.memCatalog.BytesOf(ctx, id)
	c.given.Add(int64(len(list)))
	return list, err
}

// What is in republished/ proves itself by its name. What does not goes to
// quarantine; what has another name stays, and is not read.
func TestA8RepublishedProveThemselves(t *testing.T) {
	w, before := republished(t, nil)
	right := before.RepublishedPath(before.Checksum.FileKey())
	good, err := durable.ReadFile(w.disk, right, 1<<20)
	must(t, err)
	w.catalog = newMemCatalog()
	bad := crate.Checksum{7}
	damaged := foo1.RepublishedPath(bad.FileKey())
	foreign := []string{
		"republished/README", path.Join("republished/3/f", path.Base(right)), "republished/foo/foo-1.0.0.crate",
		strings.ToUpper(right[:len(right)-len(".crate")]) + ".crate", "republished/foo/x/y/" + path.Base(right),
	}
	for _, name := range append(foreign, damaged) {
		must(t, w.disk.MkdirAll(path.Dir(name)))
		must(t, durable.WriteFile(w.disk, name, good))
	}
	s, err := w.run(context.Background(), w.disk, nil)
	if err != nil || s.Quarantined != 1 || !s.Complete(false) {
		t.Errorf("%v, %+v", err, s)
	}
	if _, ok := w.catalog.others[before]; !ok || len(w.catalog.others) != 1 {
		t.Errorf("rows %+v", w.catalog.others)
	}
	for _, name := range append(foreign, right) {
		if got, err := durable.ReadFile(w.disk, name, 1<<20); err != nil || !bytes.Equal(got, good) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := w.disk.Stat(damaged); err == nil {
		t.Error("a file whose name is not that of its bytes has stayed")
	}
	for e, err := range loose.OpenReadOnly(w.disk).Evidence() {
		if err != nil || e.ID != foo1 || !strings.Contains(e.Reason, damaged) {
			t.Errorf("evidence %+v, %v", e, err)
		}
	}
}

// A8: of damaged bytes that a version had before, and that cannot be fetched, the
// copies that are good are kept. If there is none, that is said, once.
func TestA8SupersededIsDamaged(t *testing.T) {
	for _, tt := range []struct {
		name     string
		bundle   *bundling
		damage   func(w *world, v catalog.Version) // nil: nothing is damaged
		lost     int64
		evidence int
	}{
		{"nothing", nil, nil, 0, 0},
		{"the only copy", nil, spoilFile, 1, 1},
		{"the only copy is missing", nil, removeFile, 1, 0},
		{"the only member", &bundling{target: 1500}, spoilMember, 1, 1},
		{"the file beside a member", &bundling{target: 1500, add: true}, spoilFile, 0, 0},
		{"the member beside a file", &bundling{target: 1500, add: true}, spoilMember, 0, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w, before := republished(t, tt.bundle)
			row := w.catalog.others[before]
			if tt.damage != nil {
				tt.damage(w, row)
			}
			s, err := w.run(context.Background(), w.disk, func(c *Config) {
				c.Source, c.Superseded, c.AllowEmpty, c.VerifyExisting = plan.FromList(nil, nil), []crate.Key{before}, true, true
				c.Repair = true
			})
			if err != nil || s.Lost != tt.lost || s.Quarantined != tt.evidence || s.Sound() != (tt.lost == 0 && tt.evidence == 0) {
				t.Errorf("%v, %+v", err, s)
			}
			left, ok := w.catalog.others[before]
			if ok != (tt.lost == 0) || ok && left.Placement == row.Placement != (tt.damage == nil) {
				t.Errorf("row %+v, before that %+v", left, row)
			}
			st, close, err := w.openStore(context.Background(), w.disk)
			must(t, err)
			defer close()
			for e, err := range st.Evidence() {
				must(t, err)
				must(t, st.Settle(e, time.Now()))
			}
			if s := w.mustRun(nil); s.Existing != 5 {
				t.Errorf("the next run: %+v", s.Counts)
			}
		})
	}
}

func spoilFile(w *world, v catalog.Version) {
	name := v.AsFile().LoosePath(v.ID)
	must(w.t, w.disk.Remove(name))
	must(w.t, durable.WriteFile(w.disk, name, []byte("something else")))
}

func removeFile(w *world, v catalog.Version) { must(w.t, w.disk.Remove(v.AsFile().LoosePath(v.ID))) }

func spoilMember(w *world, v catalog.Version) {
	data, err := durable.ReadFile(w.disk, v.Bundle, 1<<20)
	must(w.t, err)
	data[v.Offset+v.FrameSize/2] ^= 1
	must(w.t, w.disk.Remove(v.Bundle))
	must(w.t, durable.WriteFile(w.disk, v.Bundle, data))
}

// A run that was killed while it moved a file, or before its row was written, is resumed,
// whatever the catalog has.
func TestA8KilledWhileMakingWay(t *testing.T) {
	w, before := republished(t, nil)
	now := w.catalog.clone()
	row := now.others[before]
	delete(w.catalog.others, before) // moved, and no row of it yet
	if s := w.mustRun(nil); s.Existing != 5 {
		t.Errorf("%+v", s.Counts)
	}
	if v := w.catalog.others[before]; v.Placement != row.Placement {
		t.Errorf("row %+v, want %+v", v, row)
	}
	if _, err := w.disk.Stat("quarantine"); err == nil {
		entries, _ := w.disk.ReadDir("quarantine")
		if len(entries) > 0 {
			t.Errorf("in quarantine: %v", entries)
		}
	}
}

// A version that the index does not name any more and upstream does not give out is
// repaired from a copy if there is one; otherwise it is lost, which is said once. One
// that the index names is asked for in every run.
func TestLostAfterItsRemoval(t *testing.T) {
	for _, tt := range []struct {
		name   string
		listed bool
		repair bool
		lost   int64
	}{
		{"removed", false, true, 1},
		{"named", true, true, 0},
		{"no repair was asked for", false, false, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, parse(small))
			w.mustRun(nil)
			sum, err := w.reg.Checksum(foo1)
			must(t, err)
			w.vanish(foo1)
			if !tt.listed {
				w.writeIndex()
				w.mustRun(nil)
			}
			must(t, w.disk.Remove(foo1.LoosePath()))
			s, err := w.run(t.Context(), w.disk, func(c *Config) {
				c.Source = plan.FromList([]plan.Item{{ID: foo1, Checksum: sum}}, nil)
				c.VerifyExisting, c.Repair, c.IncludeYanked = true, tt.repair, true
			})
			if err != nil || s.LostRemoved != tt.lost || s.Gone != 1 || s.Complete(false) != (tt.lost > 0) || s.Sound() != (tt.lost == 0) {
				t.Errorf("%v, %+v", err, s)
			}
			_, held := w.catalog.versions[foo1]
			if _, gone := w.catalog.gone[foo1]; held != (tt.lost == 0) || gone != (tt.lost == 0) {
				t.Errorf("held %t, gone %t", held, gone)
			}
		})
	}
}

// What a removed version has stays its pin, although a user put a copy where earlier
// bytes are kept.
func TestA8CopyOfARemovedVersion(t *testing.T) {
	w := newWorld(t, parse(small))
	w.bundle = &bundling{target: 1500}
	w.mustRun(nil)
	w.vanish(foo1)
	w.writeIndex()
	w.mustRun(nil)
	row := w.catalog.versions[foo1]
	st, close, err := w.openStore(t.Context(), w.disk)
	must(t, err)
	member, err := st.Open(t.Context(), row.Key(), row.InBundle())
	must(t, err)
	data, err := io.ReadAll(member)
	must(t, errors.Join(err, member.Close(), close()))
	name := foo1.RepublishedPath(row.Checksum.FileKey())
	must(t, w.disk.MkdirAll(path.Dir(name)))
	must(t, durable.WriteFile(w.disk, name, data))
	w.mustRun(nil)
	if got := w.catalog.versions[foo1]; got != row || len(w.catalog.others) > 0 {
		t.Errorf("row %+v, before that %+v; others %v", got, row, w.catalog.others)
	}
}
