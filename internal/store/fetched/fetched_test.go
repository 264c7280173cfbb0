package fetched

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store/cache"
)

// far is a store of one crate, which counts how often it is asked.
type far struct {
	data  []byte
	asked atomic.Int32
	wait  time.Duration
	err   error
}

func (f *far) Open(ctx context.Context, _ crate.Key, _ store.Placement) (store.Content, error) {
	f.asked.Add(1)
	select {
	case <-time.After(f.wait):
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if f.err != nil {
		return nil, f.err
	}
	return store.InMemory(f.data), nil
}

func keyOf(data []byte) crate.Key {
	return crate.Key{ID: crate.ID{Name: "foo", Version: "1.0.0"}, Checksum: sha256.Sum256(data)}
}

var at = store.Placement{Bundle: "bundle-0000.tar.zst", FrameSize: 100}

func read(ctx context.Context, s *Store, key crate.Key) ([]byte, error) {
	c, err := s.Open(ctx, key, at)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	return io.ReadAll(c)
}

func openCache(t *testing.T, disk durable.FS) *cache.Cache {
	t.Helper()
	c, err := cache.Open(disk, 64<<20)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// A crate is asked for once, small or large; without a cache a large one is read from
// far away each time.
func TestKept(t *testing.T) {
	full := durabletest.Hook(durabletest.NewMem(), func(op durabletest.Op) durabletest.Fault {
		if op.Kind == durabletest.OpCreate {
			return durabletest.Fault{Err: durable.ErrNoSpace}
		}
		return durabletest.Fault{}
	})
	for name, tt := range map[string]struct {
		size  int
		cache *cache.Cache
		asked int32
	}{
		"small":          {1000, openCache(t, durabletest.NewMem()), 1},
		"large":          {3 << 20, openCache(t, durabletest.NewMem()), 1},
		"no cache":       {1000, nil, 3},
		"large, none":    {3 << 20, nil, 6},
		"full disk":      {1000, openCache(t, full), 3},
		"large, no room": {3 << 20, openCache(t, full), 6},
	} {
		t.Run(name, func(t *testing.T) {
			f := &far{data: bytes.Repeat([]byte("crate "), tt.size/6)}
			s := New(Config{From: f, Cache: tt.cache})
			for range 3 {
				if got, err := read(t.Context(), s, keyOf(f.data)); err != nil || !bytes.Equal(got, f.data) {
					t.Fatalf("%d bytes, %v", len(got), err)
				}
			}
			if got := f.asked.Load(); got != tt.asked {
				t.Errorf("asked %d times, want %d", got, tt.asked)
			}
		})
	}
}

// Other bytes than the checksum's are not given out, and not kept.
func TestOtherBytes(t *testing.T) {
	for _, size := range []int{1000, 3 << 20} {
		f := &far{data: make([]byte, size)}
		disk := durabletest.NewMem()
		s := New(Config{From: f, Cache: openCache(t, disk)})
		key := keyOf([]byte("something else"))
		if got, err := read(t.Context(), s, key); err == nil {
			t.Errorf("%d bytes were given out", len(got))
		}
		if entries, _ := disk.ReadDir("."); len(entries) > 0 {
			t.Errorf("%v are kept", entries)
		}
	}
}

// All requests while a crate is on its way wait for it, and one that leaves does not cost
// the others.
func TestTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &far{data: []byte("crate"), wait: time.Second}
		s := New(Config{From: f})
		var done sync.WaitGroup
		first, leave := context.WithCancel(t.Context())
		done.Go(func() {
			if _, err := read(first, s, keyOf(f.data)); !errors.Is(err, context.Canceled) {
				t.Errorf("who left: %v", err)
			}
		})
		synctest.Wait()
		leave()
		for range 20 {
			done.Go(func() {
				if got, err := read(t.Context(), s, keyOf(f.data)); err != nil || !bytes.Equal(got, f.data) {
					t.Errorf("%q, %v", got, err)
				}
			})
		}
		done.Wait()
		if got := f.asked.Load(); got != 1 {
			t.Errorf("asked %d times", got)
		}
	})
}

// A failure is returned to all that wait, and to no later request.
func TestFailure(t *testing.T) {
	f := &far{data: []byte("crate"), err: store.ErrAway}
	s := New(Config{From: f, Cache: openCache(t, durabletest.NewMem())})
	if _, err := read(t.Context(), s, keyOf(f.data)); !errors.Is(err, store.ErrAway) {
		t.Errorf("away: %v", err)
	}
	f.err = nil
	if _, err := read(t.Context(), s, keyOf(f.data)); err != nil {
		t.Error(err)
	}
}
