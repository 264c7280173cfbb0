// Package packed serves crates of the deep archive (package deep has its format): in
// segments, versions of a crate share their common content, and each .crate is rebuilt from
// them bit for bit. Another store is behind it, which holds loose and bundled crates, and
// receives new ones.
//
// # Cost of a read
//
// A read decompresses a pack, joins the crate's tar and makes its gzip stream again: some
// 40 ms of one core per MB of tar. So rebuilt crates are kept in a cache of files, of
// bounded size, and decoded packs in memory, for requests for other versions of the same
// crate. Concurrent requests for the same crate share one rebuild. Only as many rebuilds
// run at a time as memory allows. The others wait, and clients take turns
// ([store.ForClient]); if too many wait, the next is refused with a *store.BusyError.
//
// # Trust
//
// It trusts nothing: before Open returns, the bytes were hashed and have the wanted
// checksum. A file of the cache is hashed again whenever its state differs from that at the
// last hashing.
package packed

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/deep"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/partfile"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store/cache"
)

// Config configures a store. A limit of zero means its default.
type Config struct {
	Folder   durable.Reader // of the segments
	Behind   store.Store
	Cache    *cache.Cache // of rebuilt crates; nil: none, they are in memory
	Packs    int64        // maximum for decoded packs kept for their other versions, bytes; 0: none
	Memory   int64        // maximum for all rebuilds together, bytes; default 512 MiB. A rebuild that needs more runs alone
	Rebuilds int          // at a time; default: half of the processors, at least one
	Waiting  int          // maximum number of waiting callers; default 256, a quarter of them for one client
	Metrics  *Metrics     // default: none
	Log      *slog.Logger // default: none
}

// Store is a folder of segments with another store behind. Its methods may be called
// concurrently.
type Store struct {
	store.Store // everything except Open and NewListing
	cfg         Config
	segments    segments
	turns       *turns
	flights     flights
	packs       packs
}

var _ store.Store = (*Store)(nil)

// New makes a store. It opens nothing.
func New(cfg Config) *Store {
	if cfg.Memory == 0 {
		cfg.Memory = 512 << 20
	}
	if cfg.Rebuilds == 0 {
		cfg.Rebuilds = max(1, runtime.GOMAXPROCS(0)/2)
	}
	if cfg.Waiting == 0 {
		cfg.Waiting = 256
	}
	if cfg.Metrics == nil {
		cfg.Metrics = NewMetrics()
	}
	cfg.Metrics.cache.Store(cfg.Cache)
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Store{Store: cfg.Behind, cfg: cfg, segments: segments{folder: cfg.Folder}, turns: newTurns(cfg.Rebuilds, cfg.Memory, cfg.Waiting, cfg.Metrics.waiting), packs: packs{max: cfg.Packs}}
}

// Close closes all files except the cache. Open contents stay usable.
func (s *Store) Close() error {
	s.packs.close()
	return s.segments.close()
}

// Open implements store.Reader. Errors for a crate in the deep archive: fs.ErrNotExist if
// the segment does not exist, or has other bytes in this place; *deep.DamageError;
// deep.ErrEncoder; *store.BusyError; the context's.
func (s *Store) Open(ctx context.Context, key crate.Key, at store.Placement) (store.Content, error) {
	if at.Deep.Segment == "" || at.Loose || at.Bundle != "" {
		return s.Store.Open(ctx, key, at)
	}
	if f, err := s.cfg.Cache.Open(key.Checksum); err == nil {
		s.cfg.Metrics.hits.Inc()
		return store.InFile(f, inCache, f.State), nil
	}
	data, err := s.flights.join(ctx, key,
		func(ctx context.Context, t *ticket) ([]byte, error) { return s.rebuild(ctx, key, at.Deep, t) },
		func(t *ticket) { s.turns.also(t, store.Client(ctx)) })
	if err != nil {
		return nil, fmt.Errorf("opening %s in %s: %w", key.ID, at.Deep.Segment, err)
	}
	if f, err := s.cfg.Cache.Open(key.Checksum); err == nil { // a slow client needs no memory
		return store.InFile(f, inCache, f.State), nil
	}
	return store.InMemory(data), nil
}

// inCache is the In of an Identity of cached files.
const inCache = "cache"

// rebuild rebuilds a crate when its turn comes, and puts it into the cache.
func (s *Store) rebuild(ctx context.Context, key crate.Key, at store.DeepPlace, t *ticket) ([]byte, error) {
	seg, err := s.segments.take(at)
	if err != nil {
		return nil, err
	}
	defer s.segments.free(seg)
	place := deep.Placement{Offset: at.Pack, Size: at.PackSize}
	pack, err := seg.pack(ctx, place)
	if err != nil {
		return nil, err
	}
	d, err := pack.Directory(place)
	if err != nil {
		return nil, s.failed(err)
	}
	if err := there(d, key, at); err != nil {
		return nil, err
	}
	release, err := s.turns.take(ctx, t, d.Cost(at.Number))
	if err != nil {
		if store.IsBusy(err) {
			s.cfg.Metrics.refused.Inc()
		}
		return nil, err
	}
	defer release()
	if data, err := s.cfg.Cache.Read(key.Checksum); err == nil { // it may have been cached meanwhile
		return data, nil
	}
	defer s.cfg.Metrics.time()()
	data, err := s.make(ctx, pack, d, at.Number) // data is nil unless it was hashed
	if err != nil {
		return nil, s.failed(err)
	}
	s.cfg.Metrics.bytes.Add(float64(len(data)))
	if err := s.cfg.Cache.Put(key.Checksum, data); err != nil && !errors.Is(err, cache.ErrAbsent) {
		s.cfg.Log.Warn("a rebuilt crate cannot be cached: the next request for it waits again", "crate", key.Name, "version", key.Version, "err", err)
	}
	return data, nil
}

// make rebuilds a version of a pack, and decodes the pack unless it is in memory.
func (s *Store) make(ctx context.Context, r *deep.Reader, d *deep.Directory, n int) ([]byte, error) {
	if d.Content > s.cfg.Packs {
		return r.Rebuild(ctx, d, n)
	}
	pack, kept, err := s.packs.take(ctx, d, func() (*deep.Decoded, error) { return r.Decode(ctx, d) })
	if err != nil {
		return nil, err
	}
	if kept {
		s.cfg.Metrics.packHits.Inc()
	}
	return pack.Rebuild(ctx, n)
}

func (s *Store) failed(err error) error {
	if deep.IsDamage(err) || errors.Is(err, deep.ErrEncoder) {
		s.cfg.Metrics.failures.Inc()
	}
	return err
}

// NewListing implements store.Lister.
func (s *Store) NewListing() (store.Listing, error) {
	l, err := s.Store.NewListing()
	if err != nil {
		return nil, err
	}
	return s.Listing(l)
}

// Listing adds the segments to a listing of the store behind.
func (s *Store) Listing(l store.Listing) (store.Listing, error) {
	sizes, err := partfile.Sizes(s.cfg.Folder, func(name string) bool { _, err := deep.ParseFileName(name); return err == nil })
	if err != nil {
		return nil, fmt.Errorf("listing segments: %w", err)
	}
	return &listing{l, sizes}, nil
}

// listing has the size of every segment that existed when it was made.
type listing struct {
	store.Listing
	sizes map[string]int64
}

// Holds implements store.Listing.
func (l *listing) Holds(id crate.ID, at store.Placement, size int64) bool {
	if d := at.Deep; d.Segment != "" {
		if d.Pack < 0 || d.PackSize <= 0 || d.Pack > l.sizes[d.Segment]-d.PackSize {
			return false
		}
		at.Deep = store.DeepPlace{}
		if at.IsZero() {
			return true
		}
	}
	return l.Listing.Holds(id, at, size)
}
