// Package packed serves crates of the deep archive (package deep is its format): segments
// in which versions of a crate share what they have in common, and from which each .crate
// is rebuilt bit for bit. Another store is behind it, which holds what is loose or in
// bundles, and takes what is put.
//
// # What a read costs
//
// A pack is decompressed, the crate's tar joined, and its gzip stream made again: some 40
// ms of one core for each MB of tar. So crates that were rebuilt are kept in a cache of
// files, of bounded size, and packs that were decoded in memory, for the versions of the
// same crate that are asked for next; requests for the same crate meanwhile wait for the
// one rebuild; and only as many rebuilds run at a time as their memory allows. Others
// wait in turn by client ([store.ForClient]), and when too many wait, the next is refused
// with a *store.BusyError.
//
// # What is trusted
//
// Nothing: what Open gives out was hashed, and has the checksum that the caller
// wants, before its first byte goes out. A file of the cache is hashed again
// whenever it is not in the state in which it was hashed last.
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

// Config is what a store is made of. The zero value of a limit is its default.
type Config struct {
	Folder   durable.Reader // of the segments
	Behind   store.Store
	Cache    *cache.Cache // of rebuilt crates; nil: none, they are in memory
	Packs    int64        // that decoded packs may take which are kept for the next of their versions, bytes; 0: none are
	Memory   int64        // that rebuilds may take together, bytes; default 512 MiB. One that needs more runs alone
	Rebuilds int          // at a time; default: half of the processors, at least one
	Waiting  int          // callers that wait for their turn; default 256, a quarter of them for one client
	Metrics  *Metrics     // default: none
	Log      *slog.Logger // default: none
}

// Store is a folder of segments with another store behind. Its methods may be called
// concurrently.
type Store struct {
	store.Store // everything but Open and NewListing
	cfg         Config
	segments    segments
	turns       *turns
	flights     flights
	packs       packs
}

var _ store.Store = (*Store)(nil)

// New makes a store. It touches nothing.
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

// Close closes all files but the cache. Contents that are open stay usable.
func (s *Store) Close() error {
	s.packs.close()
	return s.segments.close()
}

// Open implements store.Reader. Errors, of a crate in the deep archive:
// fs.ErrNotExist if the segment is not there, or has other bytes in this place than
// are wanted; *deep.DamageError; deep.ErrEncoder; *store.BusyError; the context's.
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

// inCache is what an Identity says of files of the cache.
const inCache = "cache"

// rebuild makes a crate when its turn comes, and puts it into the cache.
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
	if data, err := s.cfg.Cache.Read(key.Checksum); err == nil { // since a moment ago
		return data, nil
	}
	defer s.cfg.Metrics.time()()
	data, err := s.make(ctx, pack, d, at.Number) // hashed, or there is no data
	if err != nil {
		return nil, s.failed(err)
	}
	s.cfg.Metrics.bytes.Add(float64(len(data)))
	if err := s.cfg.Cache.Put(key.Checksum, data); err != nil && !errors.Is(err, cache.ErrAbsent) {
		s.cfg.Log.Warn("a crate that was rebuilt cannot be kept in the cache: the next one who asks for it waits again", "crate", key.Name, "version", key.Version, "err", err)
	}
	return data, nil
}

// make rebuilds a version of a pack, which is decoded unless it still is.
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

// Listing is a listing of the store behind that knows of the segments, too.
func (s *Store) Listing(l store.Listing) (store.Listing, error) {
	sizes, err := partfile.Sizes(s.cfg.Folder, func(name string) bool { _, err := deep.ParseFileName(name); return err == nil })
	if err != nil {
		return nil, fmt.Errorf("listing segments: %w", err)
	}
	return &listing{l, sizes}, nil
}

// listing knows the size of every segment that was there when it was made.
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
