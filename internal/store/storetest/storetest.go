// Package storetest checks that a store keeps the contract of package store. Every store
// runs it.
package storetest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

// Store combines all interfaces of package store.
type Store interface {
	store.Writer
	store.Reader
	store.Lister
	store.Quarantiner
	store.Republisher
}

// Run checks the store that open makes from a folder. The folder may have what the same
// store left there before.
func Run(t *testing.T, open func(t *testing.T, fsys durable.FS) Store) {
	for name, test := range map[string]func(*testing.T, func(*testing.T, durable.FS) Store){
		"PutCheckpointOpen":        testRoundTrip,
		"DurableAfterCheckpoint":   testDurable,
		"SameCrateTwice":           testSameCrateTwice,
		"Spill":                    testSpill,
		"DiscardedSpillLeaves":     testDiscard,
		"Quarantine":               testQuarantine,
		"IsolateKeepsOnce":         testIsolate,
		"C3IsolateNotesFirst":      testIsolateIsCutOff,
		"WriteErrorIsTheCrates":    testWriteError,
		"CheckpointErrorIsNoLoss":  testCheckpointError,
		"ManyCratesAtTheSameTime":  testConcurrent,
		"C23TemporaryFilesCleared": testCleared,
		"RepublishedMoves":         testRepublished,
		"RepublishedIsKept":        testKeep,
	} {
		t.Run(name, func(t *testing.T) { test(t, open) })
	}
}

type opener = func(*testing.T, durable.FS) Store

func id(name, version string) crate.ID { return crate.ID{Name: name, Version: version} }

func body(text string) store.Body { return store.Body{Data: []byte(text), Size: int64(len(text))} }

func put(t *testing.T, s Store, id crate.ID, text string) store.Placement {
	t.Helper()
	at, err := s.Put(context.Background(), id, body(text))
	if err != nil {
		t.Fatal(err)
	}
	if !at.Loose && at.Bundle == "" {
		t.Errorf("Put(%v) says that it is nowhere", id)
	}
	return at
}

func checkpoint(t *testing.T, s Store) {
	t.Helper()
	outcome, err := s.Checkpoint(context.Background())
	if err != nil || len(outcome.Refused) > 0 {
		t.Fatalf("Checkpoint = %v, %v", outcome, err)
	}
}

// Listing begins a listing, and fails the test on an error.
func Listing(t *testing.T, s store.Lister) store.Listing {
	t.Helper()
	l, err := s.NewListing()
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// held queries a new listing, as a new run does.
func held(t *testing.T, s Store, id crate.ID, at store.Placement, text string) bool {
	return Listing(t, s).Holds(id, at, int64(len(text)))
}

func read(t *testing.T, s Store, id crate.ID, at store.Placement) string {
	t.Helper()
	c, err := s.Open(t.Context(), crate.Key{ID: id}, at)
	if err != nil {
		t.Errorf("Open(%v): %v", id, err)
		return ""
	}
	defer c.Close()
	data, err := io.ReadAll(c)
	if err != nil || int64(len(data)) != c.Size() {
		t.Errorf("%v: read %d bytes of %d: %v", id, len(data), c.Size(), err)
	}
	return string(data)
}

func testRoundTrip(t *testing.T, open opener) {
	s := open(t, durabletest.NewMem())
	want := map[crate.ID]string{
		id("serde", "1.0.0"): "one", id("serde", "1.0.0+a"): "two", id("Serde-x", "0.1.0"): "three",
		id("a", "1.0.0"): "", id("nul", "1.0.0"): "five",
	}
	places := map[crate.ID]store.Placement{}
	for id, text := range want {
		places[id] = put(t, s, id, text)
	}
	checkpoint(t, s)
	got := map[crate.ID]string{}
	listing := Listing(t, s)
	for id, text := range want {
		at := places[id]
		got[id] = read(t, s, id, at)
		if size := int64(len(text)); !listing.Holds(id, at, size) {
			t.Errorf("%v is not where Put has put it: %+v", id, at)
		}
		if listing.Holds(id, store.Placement{}, int64(len(text))) {
			t.Errorf("%v is said to be held nowhere", id)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("contents (-want +got):\n%s", diff)
	}
}

// testDurable cuts the power at every operation of two batches: what a Checkpoint
// acknowledged is there, and everything there is complete.
func testDurable(t *testing.T, open opener) {
	for _, noSyncAll := range []bool{false, true} {
		mem := durabletest.NewMem()
		mem.NoSyncAll = noSyncAll
		rnd := rand.New(rand.NewPCG(1, 2))
		placed, acknowledged := map[crate.ID]store.Placement{}, map[crate.ID]bool{}
		check := func(op string) {
			s := open(t, mem.Crash(rnd))
			for id, at := range placed {
				if !acknowledged[id] && !held(t, s, id, at, id.Version) {
					continue
				}
				if got := read(t, s, id, at); got != id.Version {
					t.Errorf("after a power cut at %s: %v is %q, want %q", op, id, got, id.Version)
				}
			}
		}
		s := open(t, durabletest.Hook(mem, func(op durabletest.Op) durabletest.Fault {
			for range 4 {
				check(op.String())
			}
			return durabletest.Fault{}
		}))
		for _, batch := range [][]crate.ID{{id("serde", "1.0.0"), id("log", "0.4.0")}, {id("serde", "1.0.1")}} {
			for _, id := range batch {
				placed[id] = put(t, s, id, id.Version)
			}
			checkpoint(t, s)
			for _, id := range batch {
				acknowledged[id] = true
			}
		}
		check("the end")
	}
}

func testSameCrateTwice(t *testing.T, open opener) {
	s := open(t, durabletest.NewMem())
	for range 2 {
		places := []store.Placement{put(t, s, id("serde", "1.0.0"), "one"), put(t, s, id("serde", "1.0.0"), "one")}
		checkpoint(t, s)
		for _, at := range places {
			if got := read(t, s, id("serde", "1.0.0"), at); got != "one" {
				t.Errorf("content = %q", got)
			}
		}
	}
}

func testSpill(t *testing.T, open opener) {
	s := open(t, durabletest.NewMem())
	sp, err := s.NewSpill()
	if err != nil {
		t.Fatal(err)
	}
	large := bytes.Repeat([]byte("0123456789abcdef"), 1<<12)
	io.WriteString(sp, "of an attempt that failed, and longer than nothing")
	if err := sp.Reset(); err != nil {
		t.Fatal(err)
	}
	for part := range slices.Chunk(large, 1000) {
		if _, err := sp.Write(part); err != nil {
			t.Fatal(err)
		}
	}
	at, err := s.Put(context.Background(), id("big", "1.0.0"), store.Body{Spill: sp, Size: int64(len(large))})
	if err != nil {
		t.Fatal(err)
	}
	if err := sp.Discard(); err != nil {
		t.Errorf("Discard after Put: %v", err)
	}
	checkpoint(t, s)
	if got := read(t, s, id("big", "1.0.0"), at); got != string(large) {
		t.Errorf("content has %d bytes and is not what was written (%d)", len(got), len(large))
	}
}

func testDiscard(t *testing.T, open opener) {
	mem := durabletest.NewMem()
	s := open(t, mem)
	before := files(t, mem)
	sp, err := s.NewSpill()
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(sp, "half")
	if err := sp.Discard(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, files(t, mem)); diff != "" {
		t.Errorf("files (-before +after):\n%s", diff)
	}
}

// testWriteError makes each operation of a Put fail in turn: the Put fails, and the next
// crate is stored.
func testWriteError(t *testing.T, open opener) { // C7, C16
	for n := 1; ; n++ {
		mem := durabletest.NewMem()
		var hooked *durabletest.Hooked
		var s Store
		armed := false
		hooked = durabletest.Hook(mem, func(op durabletest.Op) durabletest.Fault {
			if armed {
				if n--; n == 0 {
					return durabletest.Fault{Err: durable.ErrNoSpace}
				}
			}
			return durabletest.Fault{}
		})
		tried := n
		s = open(t, hooked)
		armed = true
		_, err := s.Put(context.Background(), id("serde", "1.0.0"), body("one"))
		armed = false
		if n > 0 {
			if tried == 1 {
				t.Error("Put does nothing that can fail")
			}
			return // more operations than Put has
		}
		if !errors.Is(err, durable.ErrNoSpace) {
			t.Errorf("operation %d failed: Put = %v, want no space", tried, err)
		}
		at := put(t, s, id("log", "0.4.0"), "two")
		checkpoint(t, s)
		if _, err := s.Stat(id("serde", "1.0.0")); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("operation %d failed: a crate that was not stored shows up: %v", tried, err)
		}
		if got := read(t, s, id("log", "0.4.0"), at); got != "two" {
			t.Errorf("operation %d failed: the next crate is %q", tried, got)
		}
		n = tried
	}
}

// testCheckpointError makes each operation of a Checkpoint fail in turn, on a disk that
// stays broken. Whatever it returns, a new store on the same disk has only complete crates.
func testCheckpointError(t *testing.T, open opener) { // C12
	for n := 1; ; n++ {
		mem := durabletest.NewMem()
		var ops, breaks atomic.Int64 // the disk breaks at operation breaks, if that is not 0
		broken := func() bool { return breaks.Load() > 0 && ops.Load() >= breaks.Load() }
		s := open(t, durabletest.Hook(mem, func(op durabletest.Op) durabletest.Fault {
			ops.Add(1)
			if broken() {
				return durabletest.Fault{Err: durable.ErrReadOnly}
			}
			return durabletest.Fault{}
		}))
		serde, log := id("serde", "1.0.0"), id("log", "0.4.0")
		want := map[crate.ID]string{serde: "one", log: "two"}
		places := map[crate.ID]store.Placement{serde: put(t, s, serde, "one"), log: put(t, s, log, "two")}
		breaks.Store(ops.Load() + int64(n))
		outcome, err := s.Checkpoint(context.Background())
		if !broken() {
			return // more operations than Checkpoint has
		}
		if err == nil && len(outcome.Refused) == 0 {
			t.Errorf("operation %d failed and Checkpoint did not", n)
		}
		after := open(t, mem.Kill())
		for id, text := range want {
			if held(t, after, id, places[id], text) && read(t, after, id, places[id]) != text {
				t.Errorf("operation %d failed: %v is not whole", n, id)
			}
		}
	}
}

func testConcurrent(t *testing.T, open opener) {
	s := open(t, durabletest.NewMem())
	const workers, each = 8, 50
	done := make(chan error, workers)
	name := func(w int) string { return string(rune('a'+w)) + "-worker" }
	version := func(i int) string { return "1.0." + string(rune('0'+i/10)) + "-" + string(rune('a'+i%10)) }
	var places [workers][each]store.Placement
	for w := range workers {
		go func() {
			var errs error
			for i := range each {
				at, err := s.Put(context.Background(), id(name(w), version(i)), body(version(i)))
				places[w][i], errs = at, errors.Join(errs, err)
			}
			done <- errs
		}()
	}
	for range workers {
		checkpoint(t, s)
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	checkpoint(t, s)
	for w := range workers {
		for i := range each {
			if got := read(t, s, id(name(w), version(i)), places[w][i]); got != version(i) {
				t.Errorf("%s %s is %q", name(w), version(i), got)
			}
		}
	}
}

func testCleared(t *testing.T, open opener) {
	mem := durabletest.NewMem()
	open(t, mem)
	before := files(t, mem)
	s := open(t, mem)
	if _, err := s.NewSpill(); err != nil {
		t.Fatal(err)
	}
	dead := mem.Kill()
	open(t, dead)
	if diff := cmp.Diff(before, files(t, dead)); diff != "" {
		t.Errorf("files after a kill and a new start (-want +got):\n%s", diff)
	}
}

// Stored is a crate that a store has.
type Stored struct {
	crate.Key
	Data []byte
}

// Reader checks that a store returns exactly what it has in each place.
func Reader(t *testing.T, s interface {
	store.Reader
	store.Lister
}, all map[store.Placement]Stored) {
	t.Helper()
	listing := Listing(t, s)
	for at, want := range all {
		c, err := s.Open(t.Context(), want.Key, at)
		if err != nil {
			t.Errorf("%s, %s: %v", want.ID, at, err)
			continue
		}
		data, err := io.ReadAll(c)
		if err != nil || !bytes.Equal(data, want.Data) || c.Size() != int64(len(want.Data)) {
			t.Errorf("%s, %s: %d bytes of %d: %v", want.ID, at, len(data), c.Size(), err)
		}
		half := make([]byte, len(want.Data)/2)
		if _, err := c.ReadAt(half, int64(len(want.Data)-len(half))); err != nil && err != io.EOF || !bytes.HasSuffix(want.Data, half) {
			t.Errorf("%s, %s: its second half: %v", want.ID, at, err)
		}
		if to, err := c.Seek(0, io.SeekStart); to != 0 || err != nil {
			t.Errorf("%s, %s: seeking: %d, %v", want.ID, at, to, err)
		}
		if _, err := c.Identity(); err != nil {
			t.Errorf("%s, %s: %v", want.ID, at, err)
		}
		if err := c.Close(); err != nil {
			t.Errorf("%s, %s: %v", want.ID, at, err)
		}
		if !listing.Holds(want.ID, at, int64(len(want.Data))) {
			t.Errorf("%s, %s: the listing has nothing there", want.ID, at)
		}
		if c, err := s.Open(t.Context(), crate.Key{ID: id("other", "9.9.9"), Checksum: crate.Checksum{9}}, at); err == nil {
			c.Close()
			t.Errorf("%s is given out as another crate", want.ID)
		}
	}
}
