// Package storetest checks that a store keeps the contract of package store.
// Every store runs it.
package storetest

import (
	"bytes"
	"context"
	"crypto/sha256"
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

// Store is everything that package store has.
type Store interface {
	store.Writer
	store.Reader
	store.Lister
	store.Quarantiner
}

// Run checks the store that open makes of a folder. The folder may hold what
// the same store left there before.
func Run(t *testing.T, open func(t *testing.T, fsys durable.FS) Store) {
	for name, test := range map[string]func(*testing.T, func(*testing.T, durable.FS) Store){
		"PutCheckpointOpen":        testRoundTrip,
		"NothingBeforeCheckpoint":  testNothingBeforeCheckpoint,
		"DurableAfterCheckpoint":   testDurable,
		"SameCrateTwice":           testSameCrateTwice,
		"NameTaken":                testNameTaken,
		"Spill":                    testSpill,
		"DiscardedSpillLeaves":     testDiscard,
		"StatErrors":               testStatErrors,
		"Quarantine":               testQuarantine,
		"IsolateKeepsOnce":         testIsolate,
		"WriteErrorIsTheCrates":    testWriteError,
		"CheckpointErrorIsNoLoss":  testCheckpointError,
		"ManyCratesAtTheSameTime":  testConcurrent,
		"C23TemporaryFilesCleared": testCleared,
	} {
		t.Run(name, func(t *testing.T) { test(t, open) })
	}
}

type opener = func(*testing.T, durable.FS) Store

func id(name, version string) crate.ID { return crate.ID{Name: name, Version: version} }

func body(text string) store.Body { return store.Body{Data: []byte(text), Size: int64(len(text))} }

func put(t *testing.T, s Store, id crate.ID, text string) {
	t.Helper()
	if err := s.Put(context.Background(), id, body(text)); err != nil {
		t.Fatal(err)
	}
}

func checkpoint(t *testing.T, s Store) {
	t.Helper()
	refused, err := s.Checkpoint(context.Background())
	if err != nil || len(refused) > 0 {
		t.Fatalf("Checkpoint = %v, %v", refused, err)
	}
}

func read(t *testing.T, s Store, id crate.ID) string {
	t.Helper()
	c, err := s.Open(id)
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
	for id, text := range want {
		put(t, s, id, text)
	}
	checkpoint(t, s)
	got := map[crate.ID]string{}
	listing := s.NewListing()
	for id, text := range want {
		got[id] = read(t, s, id)
		size, err := s.Stat(id)
		listed, lerr := listing.Stat(id)
		if err != nil || lerr != nil || size != int64(len(text)) || listed != size {
			t.Errorf("%v: Stat = %d, %v; listed %d, %v; want %d", id, size, err, listed, lerr, len(text))
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("contents (-want +got):\n%s", diff)
	}
}

func testNothingBeforeCheckpoint(t *testing.T, open opener) {
	s := open(t, durabletest.NewMem())
	put(t, s, id("serde", "1.0.0"), "one")
	if _, err := s.Stat(id("serde", "1.0.0")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Stat before Checkpoint: %v, want not exist", err)
	}
}

// testDurable cuts the power at every operation of two batches: what a
// Checkpoint acknowledged is there, and nothing is there that is not whole.
func testDurable(t *testing.T, open opener) {
	for _, noSyncAll := range []bool{false, true} {
		mem := durabletest.NewMem()
		mem.NoSyncAll = noSyncAll
		rnd := rand.New(rand.NewPCG(1, 2))
		acknowledged := map[crate.ID]string{}
		check := func(op string) {
			s := open(t, mem.Crash(rnd))
			for id, text := range acknowledged {
				if got := read(t, s, id); got != text {
					t.Errorf("after a power cut at %s: %v is %q, want %q", op, id, got, text)
				}
			}
			for _, id := range []crate.ID{id("serde", "1.0.0"), id("serde", "1.0.1"), id("log", "0.4.0")} {
				if size, err := s.Stat(id); err == nil && size != int64(len(id.Version)) {
					t.Errorf("after a power cut at %s: %v has %d bytes, want %d", op, id, size, len(id.Version))
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
				put(t, s, id, id.Version)
			}
			checkpoint(t, s)
			for _, id := range batch {
				acknowledged[id] = id.Version
			}
		}
		check("the end")
	}
}

func testSameCrateTwice(t *testing.T, open opener) {
	s := open(t, durabletest.NewMem())
	for range 2 {
		put(t, s, id("serde", "1.0.0"), "one")
		put(t, s, id("serde", "1.0.0"), "one")
		checkpoint(t, s)
	}
	if got := read(t, s, id("serde", "1.0.0")); got != "one" {
		t.Errorf("content = %q", got)
	}
}

func testNameTaken(t *testing.T, open opener) { // C17, C18
	s := open(t, durabletest.NewMem())
	put(t, s, id("serde", "1.0.0"), "one")
	checkpoint(t, s)
	put(t, s, id("serde", "1.0.0"), "other bytes")
	put(t, s, id("serde", "1.0.1"), "two")
	refused, err := s.Checkpoint(context.Background())
	if err != nil || len(refused) != 1 || refused[0].ID != id("serde", "1.0.0") || !errors.Is(refused[0].Err, fs.ErrExist) {
		t.Errorf("Checkpoint = %v, %v; want serde 1.0.0 refused as existing", refused, err)
	}
	if got := read(t, s, id("serde", "1.0.0")); got != "one" {
		t.Errorf("what was there is %q now", got)
	}
	if got := read(t, s, id("serde", "1.0.1")); got != "two" {
		t.Errorf("its neighbour is %q", got)
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
	if err := s.Put(context.Background(), id("big", "1.0.0"), store.Body{Spill: sp, Size: int64(len(large))}); err != nil {
		t.Fatal(err)
	}
	if err := sp.Discard(); err != nil {
		t.Errorf("Discard after Put: %v", err)
	}
	checkpoint(t, s)
	if got := read(t, s, id("big", "1.0.0")); got != string(large) {
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

func testStatErrors(t *testing.T, open opener) {
	mem := durabletest.NewMem()
	s := open(t, mem)
	absent := id("absent", "1.0.0")
	for name, stat := range map[string]func(crate.ID) (int64, error){"Stat": s.Stat, "Listing": s.NewListing().Stat} {
		if _, err := stat(absent); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v, want not exist", name, err)
		}
	}
	if _, err := s.Open(absent); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Open: %v, want not exist", err)
	}
}

func testQuarantine(t *testing.T, open opener) {
	mem := durabletest.NewMem()
	s := open(t, mem)
	for n := 1; n <= 2; n++ { // twice within a second
		put(t, s, id("serde", "1.0.0"), "bad bytes")
		checkpoint(t, s)
		path, err := s.Quarantine(id("serde", "1.0.0"), "hashes to something else")
		if err != nil {
			t.Fatal(err)
		}
		if got, err := durable.ReadFile(mem.Crash(rand.New(rand.NewPCG(1, 2))), path, 100); err != nil || string(got) != "bad bytes" {
			t.Errorf("in quarantine after a power cut: %q, %v", got, err)
		}
		if _, err := s.Stat(id("serde", "1.0.0")); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Stat after Quarantine: %v, want not exist", err)
		}
		if count, err := s.Quarantined(); err != nil || count != n {
			t.Errorf("Quarantined = %d, %v; want %d", count, err, n)
		}
	}
}

func testIsolate(t *testing.T, open opener) {
	mem := durabletest.NewMem()
	s := open(t, mem)
	sum := crate.Checksum(sha256.Sum256([]byte("<html>")))
	var paths []string
	for range 2 {
		path, err := s.Isolate(id("serde", "1.0.0"), sum, "not the crate", body("<html>"))
		if err != nil {
			t.Fatal(err)
		}
		paths = append(paths, path)
	}
	if count, err := s.Quarantined(); err != nil || count != 1 || paths[0] != paths[1] {
		t.Errorf("Quarantined = %d, %v at %v; want the same file once", count, err, paths)
	}
	if got, err := durable.ReadFile(mem, paths[0], 100); err != nil || string(got) != "<html>" {
		t.Errorf("in quarantine: %q, %v", got, err)
	}
	if _, err := s.Stat(id("serde", "1.0.0")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the crate's name shows something: %v", err)
	}
}

// testWriteError lets every operation of a Put fail: the Put fails, and the
// next crate is stored.
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
		err := s.Put(context.Background(), id("serde", "1.0.0"), body("one"))
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
		put(t, s, id("log", "0.4.0"), "two")
		checkpoint(t, s)
		if _, err := s.Stat(id("serde", "1.0.0")); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("operation %d failed: a crate that was not stored shows up: %v", tried, err)
		}
		if got := read(t, s, id("log", "0.4.0")); got != "two" {
			t.Errorf("operation %d failed: the next crate is %q", tried, got)
		}
		n = tried
	}
}

// testCheckpointError lets every operation of a Checkpoint fail on a disk that
// stays broken. Whatever it says, a new store on the same disk shows whole
// crates or none.
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
		put(t, s, id("serde", "1.0.0"), "one")
		put(t, s, id("log", "0.4.0"), "two")
		breaks.Store(ops.Load() + int64(n))
		refused, err := s.Checkpoint(context.Background())
		if !broken() {
			return // more operations than Checkpoint has
		}
		if err == nil && len(refused) == 0 {
			t.Errorf("operation %d failed and Checkpoint did not", n)
		}
		after := open(t, mem.Kill())
		for id, text := range map[crate.ID]string{id("serde", "1.0.0"): "one", id("log", "0.4.0"): "two"} {
			if _, err := after.Stat(id); err == nil && read(t, after, id) != text {
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
	for w := range workers {
		go func() {
			var err error
			for i := range each {
				err = errors.Join(err, s.Put(context.Background(), id(name(w), version(i)), body(version(i))))
			}
			done <- err
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
			if got := read(t, s, id(name(w), version(i))); got != version(i) {
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
	put(t, s, id("serde", "1.0.0"), "never published")
	if _, err := s.NewSpill(); err != nil {
		t.Fatal(err)
	}
	dead := mem.Kill()
	open(t, dead)
	if diff := cmp.Diff(before, files(t, dead)); diff != "" {
		t.Errorf("files after a kill and a new start (-want +got):\n%s", diff)
	}
}

// files lists all files of a folder.
func files(t *testing.T, fsys durable.Reader) []string {
	t.Helper()
	var list []string
	var walk func(dir string)
	walk = func(dir string) {
		entries, err := fsys.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			name := e.Name()
			if dir != "." {
				name = dir + "/" + name
			}
			if e.IsDir() {
				walk(name)
			} else {
				list = append(list, name)
			}
		}
	}
	walk(".")
	return list
}
