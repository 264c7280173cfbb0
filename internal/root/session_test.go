package root

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

func acquire(t *testing.T, b bucket.Bucket, shard, id string) *Session {
	t.Helper()
	s, err := Acquire(t.Context(), Config{Bucket: b, Holder: Holder{Shard: shard, ID: id, Owner: "host " + id}})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// add commits a bundle.
func add(t *testing.T, s *Session, number int) error {
	t.Helper()
	return s.Commit(t.Context(), func(r *Root) error {
		r.Bundles = append(r.Bundles, File{Name: bundle.FileName(number), Size: 1, SHA256: crate.Checksum{byte(number)}})
		return nil
	})
}

func names(t *testing.T, b bucket.Bucket) (names []string) {
	t.Helper()
	r, _, err := Read(t.Context(), b, "")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range r.Bundles {
		names = append(names, f.Name)
	}
	return names
}

// A second writer is told who holds the lease, and gets it when that one is done.
func TestTwoWriters(t *testing.T) {
	b := bucket.Memory()
	one := acquire(t, b, "", "A")
	_, err := Acquire(t.Context(), Config{Bucket: b, Holder: Holder{ID: "B", Owner: "host B"}})
	if held := new(HeldError); !errors.As(err, &held) || held.Owner != "host A" {
		t.Fatal(err)
	}
	if err := errors.Join(add(t, one, 0), one.Release(t.Context())); err != nil {
		t.Fatal(err)
	}
	two := acquire(t, b, "", "B")
	if err := errors.Join(add(t, two, 1), two.Release(t.Context())); err != nil {
		t.Fatal(err)
	}
	if got := names(t, b); len(got) != 2 {
		t.Error(got)
	}
}

// A writer that was stopped for longer than its lease wakes up, and believes that it
// still has it: it loses its commit, and every one after, and is told so in words.
func TestPausedWriter(t *testing.T) {
	b := bucket.Memory()
	asleep := acquire(t, b, "", "A")
	defer asleep.end(nil)
	if err := add(t, asleep, 0); err != nil {
		t.Fatal(err)
	}
	expire(t, b)
	other := acquire(t, b, "", "B")
	defer other.end(nil)
	if err := add(t, other, 1); err != nil {
		t.Fatal(err)
	}
	run, cancel := asleep.Until(t.Context())
	defer cancel()
	for range 2 {
		err := add(t, asleep, 2)
		if !errors.Is(err, ErrFenced) || !strings.Contains(err.Error(), "host B writes the mirror in the bucket now") {
			t.Fatal(err)
		}
	}
	<-run.Done()
	if !errors.Is(context.Cause(run), ErrFenced) {
		t.Error(context.Cause(run))
	}
	if got := fmt.Sprint(names(t, b)); got != "[bundle-0000.tar.zst bundle-0001.tar.zst]" {
		t.Error(got)
	}
	// It must not take away the lease of the other one when it ends, either.
	if err := asleep.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := Acquire(t.Context(), Config{Bucket: b, Holder: Holder{ID: "C"}}); !errors.As(err, new(*HeldError)) {
		t.Error(err)
	}
}

// expire lets all leases end.
func expire(t *testing.T, b bucket.Bucket) {
	t.Helper()
	l, when, err := readLease(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	for i := range l.Holders {
		l.Holders[i].Until = time.Now().Add(-time.Second)
	}
	if err := l.put(t.Context(), b, when); err != nil {
		t.Fatal(err)
	}
}

// One that was stopped between its lease and its first change of the root is behind,
// too: the epoch of the other one is higher.
func TestPausedBeforeItEnters(t *testing.T) {
	b := bucket.Memory()
	s := &Session{cfg: Config{Bucket: b, Holder: Holder{ID: "A"}, TTL: time.Minute}, word: "W", epoch: 1}
	l := &lease{Format: Format}
	l.take(s.cfg.Holder, s.word, s.epoch, time.Now().Add(-time.Second))
	if err := l.put(t.Context(), b, bucket.Absent()); err != nil {
		t.Fatal(err)
	}
	s.last.root = &Root{Format: Format}
	other := acquire(t, b, "", "B")
	defer other.end(nil)
	if err := s.change(t.Context(), s.enter); !errors.Is(err, ErrFenced) {
		t.Error(err)
	}
	if err := add(t, other, 0); err != nil {
		t.Error(err)
	}
}

// Clocks that are hours off cost work, not the mirror: of two who think that they
// have the lease the later one wins.
func TestClockSkew(t *testing.T) {
	b := bucket.Memory()
	slow := acquire(t, b, "", "A")
	defer slow.end(nil)
	l, when, err := readLease(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	l.Holders[0].Until = time.Now().Add(-6 * time.Hour) // as its own clock has it
	if err := l.put(t.Context(), b, when); err != nil {
		t.Fatal(err)
	}
	fast := acquire(t, b, "", "B")
	defer fast.end(nil)
	if err := add(t, slow, 0); !errors.Is(err, ErrFenced) {
		t.Error(err)
	}
	if err := add(t, fast, 0); err != nil {
		t.Error(err)
	}
}

// The mirror folder that died takes its own lease over at once; its own first session,
// if it is not dead after all, is fenced like any other.
func TestSameFolder(t *testing.T) {
	b := bucket.Memory()
	first := acquire(t, b, "", "A")
	defer first.end(nil)
	second := acquire(t, b, "", "A")
	defer second.end(nil)
	if err := add(t, first, 0); !errors.Is(err, ErrFenced) {
		t.Error(err)
	}
	if err := add(t, second, 0); err != nil {
		t.Error(err)
	}
}

// Shards of one division write beside one another; no other division, and no writer of all.
func TestShardsExclude(t *testing.T) {
	b := bucket.Memory()
	a := acquire(t, b, "0/2", "A")
	c := acquire(t, b, "1/2", "B")
	for _, shard := range []string{"", "0/4", "1/2"} {
		if _, err := Acquire(t.Context(), Config{Bucket: b, Holder: Holder{Shard: shard, ID: "C"}}); !errors.As(err, new(*HeldError)) {
			t.Errorf("%q: %v", shard, err)
		}
	}
	if err := errors.Join(add(t, a, 0), add(t, c, 1), a.Release(t.Context())); err != nil {
		t.Fatal(err)
	}
	defer c.end(nil)
	expire(t, b) // 1/2 sleeps
	all := acquire(t, b, "", "C")
	defer all.end(nil)
	if err := add(t, c, 2); !errors.Is(err, ErrFenced) || !strings.Contains(err.Error(), "host C") {
		t.Error(err)
	}
	if err := add(t, all, 2); err != nil {
		t.Error(err)
	}
}

// Many writers that change the root at once all get their turn, and no change is lost.
func TestContention(t *testing.T) {
	const writers, each = 8, 6
	b := bucket.Memory()
	var all sync.WaitGroup
	for w := range writers {
		s := acquire(t, b, fmt.Sprintf("%d/%d", w, writers), fmt.Sprint(w))
		all.Go(func() {
			for n := range each {
				if err := add(t, s, w*each+n); err != nil {
					t.Error(err)
				}
			}
			if err := s.Release(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if got := names(t, b); len(got) != writers*each {
		t.Errorf("%d bundles of %d", len(got), writers*each)
	}
	l, _, err := readLease(t.Context(), b)
	if err != nil || len(l.Holders) != 0 || l.Epoch != writers {
		t.Errorf("%+v, %v", l, err)
	}
}

// A lease is renewed as long as its holder lives, through an outage of the bucket, and
// after its object was removed.
func TestRenewal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := bucket.Memory()
		s := acquire(t, b, "", "A")
		held := func(when string) {
			t.Helper()
			if _, err := Acquire(t.Context(), Config{Bucket: b, Holder: Holder{ID: "B"}}); !errors.As(err, new(*HeldError)) {
				t.Errorf("%s: %v", when, err)
			}
		}
		time.Sleep(10 * defaultTTL)
		held("after ten times its time")
		if err := b.Remove(t.Context(), LeaseName); err != nil {
			t.Fatal(err)
		}
		time.Sleep(defaultTTL)
		held("after the object was removed")
		if err := s.Release(t.Context()); err != nil {
			t.Fatal(err)
		}
		other := acquire(t, b, "", "B")
		if err := other.Release(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}

// A writer that finds out by renewing that it was overtaken stops its run.
func TestRenewalFindsOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := bucket.Memory()
		s := acquire(t, b, "", "A")
		run, cancel := s.Until(t.Context())
		defer cancel()
		expire(t, b)
		other := acquire(t, b, "", "B")
		time.Sleep(defaultTTL)
		synctest.Wait()
		if !errors.Is(context.Cause(run), ErrFenced) {
			t.Error(context.Cause(run))
		}
		if err := errors.Join(s.Release(t.Context()), other.Release(t.Context())); err != nil {
			t.Error(err)
		}
	})
}

// Numbers that a writer took are never given to another mirror folder, so what it
// still has on its disk keeps its name.
func TestNumbers(t *testing.T) {
	b := bucket.Memory()
	take := func(s *Session, least, want int) {
		t.Helper()
		if n, err := s.TakeBundle(t.Context(), least); n != want || err != nil {
			t.Errorf("%d, %v; want %d", n, err, want)
		}
	}
	s := acquire(t, b, "", "A")
	take(s, 50, 50) // a mirror that there was before the bucket
	take(s, 51, 51)
	s.end(nil)
	s = acquire(t, b, "", "A")
	take(s, 52, 52)
	s.end(nil)
	expire(t, b)
	s = acquire(t, b, "", "B")
	take(s, 51, 66) // behind all that A took, though the root names none of it
	take(s, 82, 82)
	if n, err := s.TakeSegment(t.Context(), 0); n != 0 || err != nil {
		t.Error(n, err)
	}
	if err := s.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	s = acquire(t, b, "", "A")
	defer s.end(nil)
	take(s, 60, 98)
}

// A change that changes nothing writes nothing; roots know their parents.
func TestGenerations(t *testing.T) {
	b := bucket.Memory()
	s := acquire(t, b, "", "A")
	defer s.end(nil)
	first, tag, err := Read(t.Context(), b, "")
	if err != nil || first.Generation != 1 || first.ID == "" {
		t.Fatalf("%+v, %v", first, err)
	}
	if err := s.Commit(t.Context(), func(*Root) error { return nil }); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Read(t.Context(), b, tag); !errors.Is(err, bucket.ErrNotModified) {
		t.Fatal(err)
	}
	if err := add(t, s, 0); err != nil {
		t.Fatal(err)
	}
	second, _, err := Read(t.Context(), b, tag)
	if err != nil || second.Generation != 2 || second.Parent != bucket.Bytes(encode(t, first)).Checksum || second.ID != first.ID {
		t.Errorf("%+v, %v", second, err)
	}
	// What no reader would take is not written.
	if err := s.Commit(t.Context(), func(r *Root) error { r.Bundles = append(r.Bundles, r.Bundles...); return nil }); !errors.Is(err, ErrFormat) {
		t.Error(err)
	}
}

func FuzzLease(f *testing.F) {
	f.Add([]byte(`{"format":1,"epoch":3,"holders":[{"shard":"","id":"A","owner":"host","word":"W","epoch":3,"until":"2026-03-01T00:00:00Z"}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		l, err := parseLease(data)
		if err != nil {
			return
		}
		_ = l.heldAgainst(Holder{}, time.Now())
		l.take(Holder{}, "W", 1, time.Now())
		if l.of("W") == nil {
			t.Error("a lease that was given out is not there")
		}
	})
}
