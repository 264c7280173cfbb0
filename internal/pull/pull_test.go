package pull

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"sync"
	"testing"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/simreg"
)

var (
	foo1 = crate.ID{Name: "foo", Version: "1.0.0"}
	foo2 = crate.ID{Name: "foo", Version: "1.1.0"}
	bar1 = crate.ID{Name: "bar", Version: "1.0.0"}
)

// What is published appears, is fetched once, and stays when upstream is gone.
func TestPull(t *testing.T) {
	w := newWorld(t, "foo 1.0.0")
	w.behind.hold(foo1)
	m := w.open()
	if got := versions(m, "foo"); got != "1.0.0" {
		t.Fatalf("foo is %q", got)
	}
	w.reg.Add(simreg.MustParse("foo 1.1.0\nbar 1.0.0")...)
	w.reg.Yank(foo1, true)
	if got := versions(m, "foo"); got != "1.0.0y 1.1.0" {
		t.Errorf("foo is %q after an update", got)
	}
	if got := versions(m, "BAR"); got != "1.0.0" {
		t.Errorf("bar is %q", got)
	}
	for range 2 {
		for _, id := range []crate.ID{foo1, foo2, bar1} {
			if err := w.get(m, id); err != nil {
				t.Errorf("%s: %v", id, err)
			}
		}
	}
	if n := w.reg.TotalRequests(); n != 2 {
		t.Errorf("%d requests for crate files, want 2", n)
	}
	if names, total := m.Search("ba", 0, 10); total != 1 || names[0] != "bar" || !m.Holds("bar") {
		t.Errorf("search finds %v", names)
	}
	if totals := m.Totals(); totals.Versions != 2 || totals.Crates != 1 || totals.Empty != "" {
		t.Errorf("totals are %+v", totals)
	}
	if _, err := m.Open(t.Context(), crate.ID{Name: "foo", Version: "9.0.0"}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a version that is not: %v", err)
	}
	if _, err := m.Crate(t.Context(), "zoo"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a crate that is not: %v", err)
	}
	about, err := m.About(t.Context(), crate.Key{ID: bar1, Checksum: checksum(w, bar1)})
	if err != nil || about.Description == "" {
		t.Errorf("of bar is known: %+v, %v", about, err)
	}
	m.Close()
	w.server.Down()
	m = w.offline()
	if err := errors.Join(w.get(m, foo2), w.get(m, bar1)); err != nil || versions(m, "foo") != "1.0.0y 1.1.0" {
		t.Errorf("offline: %v, foo is %q", err, versions(m, "foo"))
	}
}

func checksum(w *world, id crate.ID) crate.Checksum {
	sum, err := w.reg.Checksum(id)
	w.must(err)
	return sum
}

// What would be opened is known without a request for a crate file: so is what a policy
// denies, which is never fetched.
func TestFind(t *testing.T) {
	w := newWorld(t, "foo 1.0.0\nfoo 1.1.0\nbar 1.0.0")
	w.behind.hold(foo1)
	m := w.open()
	w.must(w.get(m, bar1))
	for _, id := range []crate.ID{foo1, foo2, bar1} {
		key, err := m.Find(t.Context(), id)
		if err != nil || key.ID != id || key.Checksum != checksum(w, id) {
			t.Errorf("%s: found %v, %v", id, key, err)
		}
	}
	if _, err := m.Find(t.Context(), crate.ID{Name: "foo", Version: "9.0.0"}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a version that is not: %v", err)
	}
	if n := w.reg.TotalRequests(); n != 1 {
		t.Errorf("%d requests for crate files, want the one of before", n)
	}
}

// P1: 128 clients that ask for one version at the same time are one request; it continues
// if they leave.
func TestOneFetch(t *testing.T) {
	w := newWorld(t, "foo 1.0.0\nbar 1.0.0")
	m := w.open()
	w.reg.Inject(simreg.All, simreg.Fault{Kind: simreg.Latency, Delay: 100 * time.Millisecond, Times: -1})
	var all sync.WaitGroup
	for range 128 {
		all.Go(func() {
			if err := w.get(m, foo1); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := w.reg.Requests(foo1); n != 1 {
		t.Errorf("%d requests", n)
	}
	ctx, leave := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer leave()
	if _, err := m.Open(ctx, bar1); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the client that left got %v", err)
	}
	for begin := time.Now(); !m.store.has(bar1); time.Sleep(5 * time.Millisecond) {
		if time.Since(begin) > 5*time.Second {
			t.Fatal("what a client asked for who left never came")
		}
	}
}

// P2: whatever upstream sends, other bytes than the index names are never given, and leave
// no file; when it has the right ones again, they come.
func TestUpstreamLies(t *testing.T) {
	for _, kind := range append(simreg.Brief(), simreg.Drip, simreg.StallBody, simreg.StallHeaders, simreg.Endless) {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "foo 1.0.0")
			w.up.MaxSize = 1 << 20
			m := w.open()
			w.reg.Inject(foo1, simreg.Fault{Kind: kind, Times: -1})
			if err := w.get(m, foo1); err != nil && m.store.has(foo1) {
				t.Error("a file is there")
			} else if err == nil && kind != simreg.LengthTooLarge && kind != simreg.GoAway && kind != simreg.Redirect && kind != simreg.LengthTooSmall {
				t.Error("it was given")
			}
			w.reg.Heal()
			m.refused.Put(crate.Key{ID: foo1, Checksum: checksum(w, foo1)}, refusedCrate{})
			m.outage.worked()
			if err := w.get(m, foo1); err != nil {
				t.Errorf("afterwards: %v", err)
			}
		})
	}
}

// P4: an upstream that is away delays no client: what is stored here is served, all else is
// refused at once with Retry-After; and its return is noticed without a client that waits.
func TestUpstreamAway(t *testing.T) {
	w := newWorld(t, "foo 1.0.0\nfoo 1.1.0\nbar 1.0.0")
	w.behind.hold(foo1)
	m := w.open()
	w.must(w.get(m, bar1))
	if got := versions(m, "foo"); got != "1.0.0 1.1.0" {
		t.Fatalf("foo is %q", got)
	}
	w.server.Down()
	_ = versions(m, "foo") // the failure
	begin := time.Now()
	for range 100 {
		if got := versions(m, "foo"); got != "1.0.0" { // the other cannot be had
			t.Fatalf("foo is %q", got)
		}
		w.must(errors.Join(w.get(m, foo1), w.get(m, bar1)))
		var away *AwayError
		if _, err := m.Open(t.Context(), foo2); !errors.As(err, &away) {
			t.Fatalf("what is not here: %v", err)
		}
		if _, err := m.Crate(t.Context(), "zoo"); !errors.As(err, &away) || errors.Is(err, fs.ErrNotExist) {
			t.Fatalf("a crate that is not known: %v", err)
		}
	}
	if took := time.Since(begin); took > 2*time.Second {
		t.Errorf("400 answers took %v", took)
	}
	w.must(w.server.Up())
	for begin := time.Now(); versions(m, "foo") != "1.0.0 1.1.0"; time.Sleep(20 * time.Millisecond) {
		if time.Since(begin) > 20*time.Second {
			t.Fatal("it is not found again")
		}
	}
}

// P5: a version's bytes never change here, wherever they are stored; what is gone upstream
// stays for those who have it in their Cargo.lock.
func TestRepublished(t *testing.T) {
	w := newWorld(t, "foo 1.0.0\nfoo 1.1.0\nbar 1.0.0\nbar 2.0.0")
	w.behind.hold(foo1)
	m := w.open()
	w.must(w.get(m, foo2))
	w.must(w.get(m, bar1))
	before := map[crate.ID]crate.Checksum{foo1: checksum(w, foo1), foo2: checksum(w, foo2)}
	w.reg.ReplaceBytes(foo1)
	w.reg.ReplaceBytes(foo2)
	w.reg.Remove(bar1)
	if got := versions(m, "foo"); got != "1.0.0" {
		t.Errorf("foo is %q: want the line of before for what the mirror holds, none for what was pulled", got)
	}
	if got := versions(m, "bar"); got != "2.0.0" {
		t.Errorf("bar is %q", got)
	}
	for id, want := range before {
		f, err := m.Open(t.Context(), id)
		w.must(err)
		f.Close()
		if f.Checksum != want {
			t.Errorf("%s has other bytes now", id)
		}
	}
	f, err := m.Open(t.Context(), bar1)
	w.must(err)
	f.Close()
	if n := w.reg.TotalRequests(); n != 2 {
		t.Errorf("%d requests, want 2", n)
	}
}

// P6: a crate file that is damaged on the disk is fetched again, and never given out.
func TestDamaged(t *testing.T) {
	w := newWorld(t, "foo 1.0.0")
	m := w.open()
	w.must(w.get(m, foo1))
	data, err := w.reg.CrateBytes(foo1)
	w.must(err)
	data = bytes.Clone(data)
	data[len(data)/2] ^= 1
	w.must(durable.WriteFile(w.disk, cratePath(foo1), data))
	w.must(w.get(m, foo1))
	w.must(w.get(m, foo1))
	if n := w.reg.Requests(foo1); n != 2 {
		t.Errorf("%d requests, want 2", n)
	}
	w.must(durable.WriteFile(w.disk, cratePath(foo1), data))
	m.Close()
	m = w.offline()
	if err := w.get(m, foo1); err == nil {
		t.Errorf("damaged bytes: %v", err)
	}
}

// What the mirror holds is removed here, what it does not hold stays; beyond the bound
// the oldest goes.
func TestTidy(t *testing.T) {
	w := newWorld(t, "foo 1.0.0\nfoo 1.1.0\nbar 1.0.0\nbaz 1.0.0\nsize 9000")
	m := w.open()
	baz := crate.ID{Name: "baz", Version: "1.0.0"}
	for _, id := range []crate.ID{foo1, foo2, bar1, baz} {
		w.must(w.get(m, id))
	}
	w.behind.hold(foo1, bar1)
	w.must(m.tidy(t.Context(), true))
	for id, want := range map[crate.ID]bool{foo1: false, foo2: true, bar1: false, baz: true} {
		if m.store.has(id) != want {
			t.Errorf("%s is here: %v", id, !want)
		}
		w.must(w.get(m, id))
	}
	size, _ := m.store.size(foo2)
	m.cfg.MaxBytes = size + 1000
	m.store.used.Put(foo2, time.Now().Add(time.Minute))
	w.must(m.tidy(t.Context(), false))
	if m.store.has(baz) || !m.store.has(foo2) || m.store.bytes.Load() != size {
		t.Errorf("baz is here: %v, foo: %v, %d bytes", m.store.has(baz), m.store.has(foo2), m.store.bytes.Load())
	}
	w.must(w.get(m, baz)) // it comes again
}
