package packed

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/deep"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store/cache"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store/storetest"
)

func TestStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T, fsys durable.FS) storetest.Store { return open(t, fsys, nil) })
}

func TestReader(t *testing.T) {
	mem := durabletest.NewMem()
	all := versions(t, "serde", 3, 2000)
	pack(t, mem, 0, all)
	kept, _ := cacheIn(t, 1<<20)
	for name, c := range map[string]*cache.Cache{"Memory": nil, "Cache": kept} {
		t.Run(name, func(t *testing.T) {
			s := open(t, mem, func(cfg *Config) { cfg.Cache = c })
			for range 2 {
				storetest.Reader(t, s, map[store.Placement]storetest.Stored{
					all[0].at: {Key: all[0].Key, Data: all[0].data}, all[2].at: {Key: all[2].Key, Data: all[2].data},
				})
			}
		})
	}
}

// A crate that is asked for again comes from the cache, and one that is damaged
// there is rebuilt.
func TestCacheIsAsked(t *testing.T) {
	mem := durabletest.NewMem()
	it := versions(t, "serde", 1, 2000)[0]
	pack(t, mem, 0, []*item{it})
	kept, disk := cacheIn(t, 1<<20)
	s := open(t, mem, func(cfg *Config) { cfg.Cache = kept })
	rebuilt := func(want int) {
		t.Helper()
		wantRead(t, s, it)
		if n := testutil.ToFloat64(s.cfg.Metrics.bytes); int(n) != want*len(it.data) {
			t.Errorf("%v bytes were rebuilt, want %d times %d", n, want, len(it.data))
		}
	}
	rebuilt(1)
	rebuilt(1)
	if hits := testutil.ToFloat64(s.cfg.Metrics.hits); hits != 1 {
		t.Errorf("%v hits", hits)
	}
	name := it.Checksum.String()
	must(t, disk.Remove(name))
	bad := bytes.Clone(it.data)
	bad[len(bad)/2] ^= 1
	must(t, durable.WriteFile(disk, name, bad))
	rebuilt(2)
	must(t, disk.Remove(name))
	rebuilt(3)
	// After a restart it is there, and hashed.
	again, err := cache.Open(disk, 1<<20)
	must(t, err)
	s = open(t, mem, func(cfg *Config) { cfg.Cache = again })
	rebuilt(0)
}

// A full disk costs the cache, not the crate.
func TestCacheCannotBeWritten(t *testing.T) {
	mem := durabletest.NewMem()
	it := versions(t, "serde", 1, 2000)[0]
	pack(t, mem, 0, []*item{it})
	full := durabletest.Hook(durabletest.NewMem(), func(op durabletest.Op) durabletest.Fault {
		if op.Kind == durabletest.OpCreate {
			return durabletest.Fault{Err: durable.ErrNoSpace}
		}
		return durabletest.Fault{}
	})
	c, err := cache.Open(full, 1<<20)
	must(t, err)
	wantRead(t, open(t, mem, func(cfg *Config) { cfg.Cache = c }), it)
}

// Each bit of a pack that flips is an error, and never a wrong crate.
func TestDamage(t *testing.T) {
	mem := durabletest.NewMem()
	all := versions(t, "serde", 2, 300)
	pack(t, mem, 0, all)
	name := deep.FileName(0)
	good, err := durable.ReadFile(mem, name, 1<<20)
	must(t, err)
	step := max(1, len(good)/200)
	for i := 0; i < len(good); i += step {
		bad := bytes.Clone(good)
		bad[i] ^= 1 << (i % 8)
		disk := durabletest.NewMem()
		must(t, durable.WriteFile(disk, name, bad))
		s := open(t, disk, nil)
		for _, it := range all {
			got, err := read(t.Context(), s, it)
			if err == nil && !bytes.Equal(got, it.data) {
				t.Fatalf("byte %d: wrong bytes of %s", i, it.ID)
			}
		}
	}
}

// What the catalog says of another segment, or of one that is not there, is absent.
func TestNotThere(t *testing.T) {
	mem := durabletest.NewMem()
	all := versions(t, "serde", 2, 300)
	pack(t, mem, 0, all)
	s := open(t, mem, nil)
	for what, change := range map[string]func(*item){
		"number":   func(it *item) { it.at.Deep.Number = 1 },
		"no such":  func(it *item) { it.at.Deep.Number = 77 },
		"negative": func(it *item) { it.at.Deep.Number = -1 },
		"segment":  func(it *item) { it.at.Deep.Segment = deep.FileName(5) },
		"sum":      func(it *item) { it.Checksum[0]++ },
	} {
		it := *all[0]
		change(&it)
		if _, err := read(t.Context(), s, &it); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", what, err)
		}
	}
	it := *all[0]
	it.at.Deep.Segment = "../" + deep.FileName(0)
	if _, err := read(t.Context(), s, &it); err == nil {
		t.Error("a segment outside of the folder was opened")
	}
}

// All requests at the same time wait for one rebuild; one that goes away ends it only if
// no other waits.
func TestOneRebuild(t *testing.T) {
	mem := durabletest.NewMem()
	it := versions(t, "serde", 1, 200_000)[0]
	pack(t, mem, 0, []*item{it})
	cache, _ := cacheIn(t, 1<<20)
	s := open(t, mem, func(cfg *Config) { cfg.Cache, cfg.Rebuilds = cache, 1 })
	blocker := &ticket{clients: []string{"blocker"}}
	release, err := s.turns.take(t.Context(), blocker, 1)
	must(t, err)
	gone, leave := context.WithCancel(t.Context())
	var left, all sync.WaitGroup
	left.Go(func() {
		if _, err := read(gone, s, it); !errors.Is(err, context.Canceled) {
			t.Errorf("one who went away: %v", err)
		}
	})
	waitFor(t, func() bool { return testutil.ToFloat64(s.cfg.Metrics.waiting) == 1 })
	for range 20 {
		all.Go(func() { wantRead(t, s, it) })
	}
	waitFor(t, func() bool {
		s.flights.mu.Lock()
		defer s.flights.mu.Unlock()
		return s.flights.now[it.Key].uses == 21
	})
	leave()
	left.Wait()
	release()
	all.Wait()
	if n := testutil.ToFloat64(s.cfg.Metrics.bytes); int(n) != len(it.data) {
		t.Errorf("%v bytes were rebuilt, want %d", n, len(it.data))
	}
}

func waitFor(t *testing.T, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("waited too long")
		}
	}
}

// A client who asks for much waits behind himself: another one has its turn next.
func TestGreedyClient(t *testing.T) {
	turns := newTurns(1, 100, 40, NewMetrics().waiting)
	release, err := turns.take(t.Context(), &ticket{clients: []string{"first"}}, 1)
	must(t, err)
	order := make(chan string, 20)
	var all sync.WaitGroup
	enter := func(client string) {
		before := turns.waitingNow()
		all.Go(func() {
			release, err := turns.take(t.Context(), &ticket{clients: []string{client}}, 1)
			if err != nil {
				t.Error(err)
				return
			}
			order <- client
			release()
		})
		waitFor(t, func() bool { return turns.waitingNow() > before })
	}
	for range 10 {
		enter("greedy")
	}
	if _, err := turns.take(t.Context(), &ticket{clients: []string{"greedy"}}, 1); !store.IsBusy(err) {
		t.Errorf("one client has more than a quarter of the queue: %v", err)
	}
	enter("modest")
	release()
	all.Wait()
	close(order)
	var got []string
	for client := range order {
		got = append(got, client)
	}
	if len(got) != 11 || got[1] != "modest" {
		t.Errorf("turns: %v", got)
	}
}

func (t *turns) waitingNow() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.queue
}

// One who joins a rebuild that waits behind a greedy client's others has it when it
// is his own turn.
func TestJoinedTurn(t *testing.T) {
	turns := newTurns(1, 100, 40, NewMetrics().waiting)
	release, err := turns.take(t.Context(), &ticket{clients: []string{"first"}}, 1)
	must(t, err)
	var last *ticket
	for range 3 {
		last = &ticket{clients: []string{"greedy"}}
		must(t, turns.enter(last, 1))
	}
	turns.also(last, "modest")
	release() // to greedy's first
	turns.mu.Lock()
	turns.places++
	turns.next() // to modest, which is greedy's last
	turns.mu.Unlock()
	select {
	case <-last.ready:
	default:
		t.Error("it still waits")
	}
}

// A rebuild that needs more memory than is free waits, and is not overtaken forever; one
// that is given up lets the others run.
func TestMemoryIsBounded(t *testing.T) {
	turns := newTurns(10, 100, 40, NewMetrics().waiting)
	release, err := turns.take(t.Context(), &ticket{clients: []string{"a"}}, 60)
	must(t, err)
	large, small := &ticket{clients: []string{"a"}}, &ticket{clients: []string{"b"}}
	must(t, turns.enter(large, 60))
	must(t, turns.enter(small, 10))
	select {
	case <-small.ready:
		t.Error("the small one overtook the large one")
	default:
	}
	if !turns.leave(large) {
		t.Error("it was not its turn")
	}
	<-small.ready
	release()
	huge, err := turns.take(t.Context(), &ticket{clients: []string{"a"}}, 90)
	must(t, err)
	huge()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := turns.take(ctx, &ticket{clients: []string{"a"}}, 1000); !errors.Is(err, context.Canceled) && err != nil {
		t.Errorf("%v", err)
	}
}

// A queue that is full is a *store.BusyError, and all comes right afterwards.
func TestBusy(t *testing.T) {
	mem := durabletest.NewMem()
	var lists [][]*item
	for n := range 4 {
		lists = append(lists, versions(t, fmt.Sprintf("crate%d", n), 1, 500))
	}
	pack(t, mem, 0, lists...)
	s := open(t, mem, func(cfg *Config) { cfg.Rebuilds, cfg.Waiting = 1, 2 })
	release, err := s.turns.take(t.Context(), &ticket{clients: []string{"blocker"}}, 1)
	must(t, err)
	var waiting sync.WaitGroup
	for n := range 2 {
		waiting.Go(func() {
			got, err := read(store.ForClient(t.Context(), fmt.Sprint(n)), s, lists[n][0])
			if err != nil || !bytes.Equal(got, lists[n][0].data) {
				t.Errorf("%d: %v", n, err)
			}
		})
	}
	waitFor(t, func() bool { return testutil.ToFloat64(s.cfg.Metrics.waiting) == 2 })
	if _, err := read(t.Context(), s, lists[2][0]); !store.IsBusy(err) {
		t.Errorf("the queue is full: %v", err)
	}
	if n := testutil.ToFloat64(s.cfg.Metrics.refused); n != 1 {
		t.Errorf("%v were refused", n)
	}
	release()
	waiting.Wait()
	wantRead(t, s, lists[2][0])
}

// BenchmarkColdRead reads a crate with nothing in the cache: 16 versions of 320 KB of
// text, like a median crate, in one pack.
func BenchmarkColdRead(b *testing.B) {
	mem := durabletest.NewMem()
	all := versions(b, "serde", 16, 320<<10)
	pack(b, mem, 0, all)
	s := open(b, mem, nil)
	b.SetBytes(320 << 10)
	for n := 0; b.Loop(); n++ {
		wantRead(b, s, all[n%len(all)])
	}
}
