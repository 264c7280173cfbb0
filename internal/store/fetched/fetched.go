// Package fetched serves crates from a remote store, such as bundles in a bucket. It
// downloads each crate once for all concurrent requests, hashes it, and keeps it in a cache
// of files, of bounded size.
//
// Crates up to a megabyte pass through memory. Larger ones are written to the cache as they
// arrive, and read from there; if the cache cannot be written, each request reads from the
// remote store. The bytes in transit are bounded.
//
// # Trust
//
// It trusts nothing: what Open returns was hashed, unless the caller knows no checksum.
package fetched

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"golang.org/x/sync/semaphore"
	"golang.org/x/sync/singleflight"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store/cache"
)

const (
	// small is the maximum size of a crate in memory, in bytes; 98 % of all crates are
	// smaller.
	small = 1 << 20
	// most is the maximum memory for one crate in transit, in bytes.
	most = 20 << 20
	// patience is the maximum time for a crate that several requests wait for. A request
	// may end earlier.
	patience = 5 * time.Minute
	inCache  = "cache" // what an Identity says of files of the cache
)

// Opener opens crates, like store.Reader.
type Opener interface {
	Open(ctx context.Context, key crate.Key, at store.Placement) (store.Content, error)
}

// Config configures a store.
type Config struct {
	From    Opener
	Cache   *cache.Cache // nil: no cache
	Memory  int64        // maximum for all crates in transit, bytes; default 96 MiB
	Metrics *Metrics     // default: none
	Log     *slog.Logger // default: none
}

// Store is a remote store with a cache in front. Its methods may be called concurrently.
type Store struct {
	cfg     Config
	memory  *semaphore.Weighted
	flights singleflight.Group // by checksum
}

// New makes a store. It opens nothing.
func New(cfg Config) *Store {
	if cfg.Memory == 0 {
		cfg.Memory = 96 << 20
	}
	cfg.Memory = max(cfg.Memory, most)
	if cfg.Metrics == nil {
		cfg.Metrics = NewMetrics()
	}
	cfg.Metrics.cache.Store(cfg.Cache)
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Store{cfg: cfg, memory: semaphore.NewWeighted(cfg.Memory)}
}

// errLarge means that the crate is not in a cache, and too large for memory.
var errLarge = errors.New("too large to be shared")

// Open opens a crate. Errors: those of the remote store; *crate.ChecksumError if it has
// other bytes; the context's.
func (s *Store) Open(ctx context.Context, key crate.Key, at store.Placement) (store.Content, error) {
	if key.Checksum == (crate.Checksum{}) {
		return s.cfg.From.Open(ctx, key, at)
	}
	if f, err := s.cfg.Cache.Open(key.Checksum); err == nil {
		s.cfg.Metrics.hits.Inc()
		return store.InFile(f, inCache, f.State), nil
	}
	data, err := s.join(ctx, key, at)
	switch {
	case errors.Is(err, errLarge):
		return s.cfg.From.Open(ctx, key, at)
	case err != nil:
		return nil, err
	case data != nil:
		return store.InMemory(data), nil
	}
	f, err := s.cfg.Cache.Open(key.Checksum)
	if err != nil { // already evicted again
		return s.cfg.From.Open(ctx, key, at)
	}
	return store.InFile(f, inCache, f.State), nil
}

// join waits for a crate in transit, or downloads it.
func (s *Store) join(ctx context.Context, key crate.Key, at store.Placement) ([]byte, error) {
	done := s.flights.DoChan(key.Checksum.String(), func() (any, error) {
		life, stop := context.WithTimeout(context.WithoutCancel(ctx), patience)
		defer stop()
		return s.fetch(life, key, at)
	})
	select {
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case r := <-done:
		data, _ := r.Val.([]byte)
		return data, r.Err
	}
}

// fetch returns the bytes of a small crate, and puts every crate into the cache.
func (s *Store) fetch(ctx context.Context, key crate.Key, at store.Placement) (_ []byte, err error) {
	weight := min(at.FrameSize+small, most)
	if err := s.memory.Acquire(ctx, weight); err != nil {
		return nil, err
	}
	defer s.memory.Release(weight)
	defer s.cfg.Metrics.time(&err)()
	c, err := s.cfg.From.Open(ctx, key, at)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	s.cfg.Metrics.bytes.Add(float64(c.Size()))
	if c.Size() > small {
		return nil, s.fill(ctx, key, c)
	}
	data := make([]byte, c.Size())
	if _, err := io.ReadFull(store.Until(ctx, c), data); err != nil {
		return nil, fmt.Errorf("fetching %s: %w", key.ID, err)
	}
	if sum := crate.Checksum(sha256.Sum256(data)); sum != key.Checksum {
		return nil, &crate.ChecksumError{ID: key.ID, Want: key.Checksum, Got: sum, Size: c.Size()}
	}
	if err := s.cfg.Cache.Put(key.Checksum, data); err != nil && !errors.Is(err, cache.ErrAbsent) {
		s.tell(key, err)
	}
	return data, nil
}

// fill puts a large crate into the cache.
func (s *Store) fill(ctx context.Context, key crate.Key, c store.Content) error {
	from := &watched{r: store.Until(ctx, c)}
	err := s.cfg.Cache.Fill(key.Checksum, c.Size(), from)
	switch {
	case err == nil:
		return nil
	case from.err != nil:
		return fmt.Errorf("fetching %s: %w", key.ID, from.err)
	case errors.Is(err, cache.ErrAbsent):
	case errors.Is(err, cache.ErrOther):
		return fmt.Errorf("fetching %s: %w", key.ID, err)
	default:
		s.tell(key, err)
	}
	return errLarge
}

func (s *Store) tell(key crate.Key, err error) {
	s.cfg.Log.Warn("a downloaded crate cannot be cached: the next request for it waits again", "crate", key.Name, "version", key.Version, "err", err)
}

// watched remembers why reading failed, to distinguish it from failures of the cache.
type watched struct {
	r   io.Reader
	err error
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.r.Read(p)
	if err != nil && err != io.EOF {
		w.err = err
	}
	return n, err
}
