package bundled

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store/loose"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store/storetest"
)

// An unfinished bundle is continued by the next run, and its members are adopted.
func TestResume(t *testing.T) {
	mem := durabletest.NewMem()
	s := openIn(t, mem, newTold(), 1<<20)
	places := []store.Placement{put(t, s, 0), put(t, s, 1)}
	checkpoint(t, s)
	dead := mem.Kill()
	c := newTold()
	s = openIn(t, dead, c, 1<<20)
	for n, at := range places {
		if c.members[id(n)] != at {
			t.Errorf("%v was adopted at %+v, want %+v", id(n), c.members[id(n)], at)
		}
	}
	places = append(places, put(t, s, 2))
	if done := finish(t, s); len(done.Finished) != 1 || done.Finished[0].Entries != 3 {
		t.Errorf("finished %+v, want one bundle of 3", done.Finished)
	}
	ro := OpenReadOnly(dead, loose.OpenReadOnly(dead))
	defer ro.Close()
	for n, at := range places {
		wantRead(t, ro, n, at)
	}
}

// TestE9KillAtAnyOperation kills and cuts the power at every operation while
// bundles are written and finished, and looks at what the next run makes of it.
func TestE9KillAtAnyOperation(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 1))
	mem := durabletest.NewMem()
	durableNow := map[crate.ID]store.Placement{} // of those that were checkpointed
	wrecks := 0
	look := func(op string, disk *durabletest.Mem) {
		wrecks++
		c := newTold()
		s := openIn(t, disk, c, 2000)
		for n := range 12 {
			if at, ok := durableNow[id(n)]; ok {
				wantRead(t, s, n, at)
				if c.members[id(n)] == (store.Placement{}) {
					t.Errorf("%s: %v was not adopted", op, id(n))
				}
			}
		}
		for id, at := range c.members {
			if got, err := read(s, id, at); err != nil || !strings.HasSuffix(id.Name, strings.TrimPrefix(got, "bytes of ")) {
				t.Errorf("%s: %v was adopted, and is %q, %v", op, id, got, err)
			}
		}
		put(t, s, 99)
		finish(t, s)
		again := newTold()
		again.known = maps.Clone(c.known)
		finish(t, openIn(t, disk, again, 2000))
		for _, name := range names(t, disk) {
			if strings.HasSuffix(name, bundle.PartExt) || durable.IsTemp(name) {
				t.Errorf("%s: %s is left", op, name)
			}
		}
		bundles, manifests := 0, 0
		for _, name := range names(t, disk) {
			bundles += strings.Count(name, ".tar.zst")
			manifests += strings.Count(name, ".manifest.jsonl")
		}
		if bundles != manifests {
			t.Errorf("%s: %d bundles, %d manifests: %v", op, bundles, manifests, names(t, disk))
		}
	}
	s := openIn(t, durabletest.Hook(mem, func(op durabletest.Op) durabletest.Fault {
		look("kill at "+op.String(), mem.Kill())
		look("power cut at "+op.String(), mem.Crash(rnd))
		return durabletest.Fault{}
	}), newTold(), 2000)
	places := map[crate.ID]store.Placement{}
	for n := range 12 {
		places[id(n)] = put(t, s, n)
		if n%3 == 2 {
			checkpoint(t, s)
			durableNow = maps.Clone(places)
		}
	}
	finish(t, s)
	t.Logf("%d wrecks", wrecks)
}

// A bundle that cannot be written to costs the crates since the last sync, and
// the next ones go to another.
func TestE10WriteErrorInAMember(t *testing.T) {
	mem := durabletest.NewMem()
	broken := false
	s := openIn(t, durabletest.Hook(mem, func(op durabletest.Op) durabletest.Fault {
		if broken && op.Kind == durabletest.OpWrite {
			return durabletest.Fault{Err: durable.ErrNoSpace}
		}
		return durabletest.Fault{}
	}), newTold(), 1<<20)
	safe := put(t, s, 0)
	checkpoint(t, s)
	put(t, s, 1)
	broken = true
	if _, err := s.Put(context.Background(), id(2), store.Body{Data: []byte("x"), Size: 1}); !errors.Is(err, durable.ErrNoSpace) {
		t.Errorf("Put on a full disk: %v", err)
	}
	broken = false
	next := put(t, s, 3)
	done, err := s.Checkpoint(context.Background())
	if err != nil || len(done.Refused) != 1 || done.Refused[0].ID != id(1) || !errors.Is(done.Refused[0].Err, durable.ErrNoSpace) {
		t.Errorf("Checkpoint = %+v, %v; want crate-1 refused", done, err)
	}
	wantRead(t, s, 0, safe)
	wantRead(t, s, 3, next)
	// Nothing that was whole is lost, and both bundles are finished next time.
	dead := mem.Kill()
	c := newTold()
	s = openIn(t, dead, c, 1<<20)
	for _, n := range []int{0, 1, 3} {
		wantRead(t, s, n, c.members[id(n)])
	}
	if done := finish(t, s); len(done.Finished) != 2 {
		t.Errorf("finished %+v, want two", done.Finished)
	}
}

// A member in the middle of an unfinished bundle is torn, as a power cut does
// to what was not synced: the others are saved.
func TestSalvage(t *testing.T) {
	mem := durabletest.NewMem()
	s := openIn(t, mem, newTold(), 1<<20)
	var places []store.Placement
	for n := range 5 {
		places = append(places, put(t, s, n))
	}
	checkpoint(t, s)
	dead := mem.Kill()
	part := bundle.FileName(0) + bundle.PartExt
	data, err := durable.ReadFile(dead, part, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	clear(data[places[2].Offset : places[2].Offset+places[2].FrameSize])
	rewrite(t, dead, part, data)
	c := newTold()
	s = openIn(t, dead, c, 1<<20)
	if len(c.members) != 4 || c.members[id(2)] != (store.Placement{}) {
		t.Errorf("adopted %v", c.members)
	}
	for id, at := range c.members {
		if at.Bundle != bundle.FileName(1) {
			t.Errorf("%v is at %+v", id, at)
		}
	}
	for _, n := range []int{0, 1, 3, 4} {
		wantRead(t, s, n, c.members[id(n)])
	}
	finish(t, s)
	if _, err := dead.Stat(bundle.FileName(0) + ".damaged"); err != nil {
		t.Errorf("the damaged bundle was not kept: %v", err)
	}
	if s := openIn(t, dead, c, 1<<20); storetest.Listing(t, s).Holds(id(2), places[2], int64(len(text(2)))) {
		t.Error("what was lost is said to be held")
	}
}

// rewrite gives a file that is not final other bytes.
func rewrite(t *testing.T, mem *durabletest.Mem, name string, data []byte) {
	t.Helper()
	if err := mem.Remove(name); err != nil {
		t.Fatal(err)
	}
	f, err := mem.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(f.Sync(), f.Close(), mem.SyncDir(".")); err != nil {
		t.Fatal(err)
	}
}

// Killed between the two halves of a publication by hard link: it is completed
// where the system publishes so, and never guessed at elsewhere.
func TestE9Linked(t *testing.T) {
	dir := t.TempDir()
	fsys, err := durable.Create(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer fsys.Close()
	s := openIn(t, fsys, newTold(), 1<<20)
	at := put(t, s, 1)
	finish(t, s)
	final := filepath.Join(dir, at.Bundle)
	if err := os.Link(final, final+bundle.PartExt); err != nil {
		t.Skip("no hard links here: ", err)
	}
	c := newTold()
	s, err = tryOpen(fsys, c, 1<<20, nil)
	if err != nil {
		if !strings.Contains(err.Error(), "bundle-0000.tar.zst is there both finished and unfinished") {
			t.Error(err)
		}
		return
	}
	defer s.Close()
	if c.members[id(1)] != at || !c.known[at.Bundle] {
		t.Errorf("adopted %+v, known %v", c.members, c.known)
	}
	if _, err := os.Stat(final + bundle.PartExt); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the unfinished name is still there: %v", err)
	}
}

// A snapshot of the folder by hard links (cp -al) holds the unfinished bundle too. That
// bundle continues as any other: it gets its name when it is finished, not before, and
// the snapshot keeps the bytes that it has.
func TestE9SnapshotOfAnUnfinishedBundle(t *testing.T) {
	dir := t.TempDir()
	fsys, err := durable.Create(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer fsys.Close()
	s := openIn(t, fsys, newTold(), 1<<20)
	at := put(t, s, 1)
	checkpoint(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	part := filepath.Join(dir, at.Bundle) + bundle.PartExt
	snapshot := filepath.Join(t.TempDir(), "snapshot")
	if err := os.Link(part, snapshot); err != nil {
		t.Skip("no hard links here: ", err)
	}
	before, err := os.ReadFile(snapshot)
	if err != nil {
		t.Fatal(err)
	}
	c := newTold()
	s = openIn(t, fsys, c, 1<<20)
	if _, err := os.Stat(filepath.Join(dir, at.Bundle)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("an unfinished bundle has its final name: %v", err)
	}
	if c.members[id(1)] != at || c.known[at.Bundle] {
		t.Errorf("adopted %+v, known %v", c.members, c.known)
	}
	put(t, s, 2)
	if done := finish(t, s); len(done.Finished) != 1 || done.Finished[0].Entries != 2 {
		t.Errorf("finished %+v, want one bundle of 2", done.Finished)
	}
	if after, err := os.ReadFile(snapshot); err != nil || string(after) != string(before) {
		t.Errorf("the snapshot has %d bytes now, had %d: %v", len(after), len(before), err)
	}
}

// E16: what v1.1.0 or another program wrote is left alone.
func TestE16ForeignBundleIsLeftAlone(t *testing.T) {
	mem := durabletest.NewMem()
	if err := durable.WriteFile(mem, "bundle-0041.tar.zst", []byte("not one of ours")); err != nil {
		t.Fatal(err)
	}
	s := openIn(t, mem, newTold(), 1<<20)
	if at := put(t, s, 1); at.Bundle != "bundle-0042.tar.zst" {
		t.Errorf("the next bundle is %s", at.Bundle)
	}
	finish(t, s)
	if got, err := durable.ReadFile(mem, "bundle-0041.tar.zst", 100); err != nil || string(got) != "not one of ours" {
		t.Errorf("it is %q now, %v", got, err)
	}
}
