package home

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/deep"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store/bundled"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store/cache"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store/fetched"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store/loose"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store/packed"
)

// This file stacks the stores of readers; running.go does it for a run. A new kind of store is
// added to both files, and the rest of the program sees only a store.Store.

// Stores gives read access to all crates of a mirror: loose, in bundles and in the deep
// archive. The folders of the last two may appear later. Its methods may be called
// concurrently.
type Stores struct {
	*loose.Store
	dirs    Dirs
	limits  Limits
	folders Closers

	mu      sync.Mutex        // guards what follows
	bundles *bundled.ReadOnly // nil: no folder of bundles yet
	far     *fetched.Store    // bundles that are only in the bucket; nil: none
	deep    *packed.Store     // nil: no folder of segments yet
}

var _ store.Store = (*Stores)(nil)

// Limits bounds the cost of reading crates that must be rebuilt or downloaded first. The zero
// value suits all callers that do not serve.
type Limits struct {
	DeepCache    int64            // maximum size of the cache of rebuilt crates, bytes; 0: no cache
	Rebuilds     int              // maximum number of crates that are rebuilt at a time; 0: the default of packed.Config, which leaves processors free
	Packs        int64            // maximum size of decoded packs in memory, bytes; 0: none
	Deep         *packed.Metrics  // if nil, not counted
	FetchedCache int64            // maximum size of the cache of crates downloaded from the bucket, bytes; 0: no cache
	Fetched      *fetched.Metrics // if nil, not counted
	Log          *slog.Logger     // if nil, nothing is logged
}

// OpenStores opens the stores of a mirror for reading, without a lock: another process may
// write them meanwhile. Errors: fs.ErrNotExist if there is no folder of crates.
func OpenStores(d *Dirs, limits Limits) (*Stores, error) {
	folder, err := durable.Open(d.Crates)
	if err != nil {
		return nil, err
	}
	return NewStores(folder, d, limits), nil
}

// NewStores does what OpenStores does, with a folder of crates that is already open; Close
// closes it.
func NewStores(folder durable.FS, d *Dirs, limits Limits) *Stores {
	s := newStores(loose.OpenReadOnly(folder), d)
	s.limits, s.dirs.Deep = limits, d.DeepOrUsual()
	s.folders.Add(folder.Close)
	return s
}

func newStores(files *loose.Store, d *Dirs) *Stores { return &Stores{Store: files, dirs: *d} }

// Check reports why existing bundles or segments cannot be read.
func (s *Stores) Check() error {
	_, errBundles := s.bundled()
	_, errDeep := s.packed()
	return errors.Join(errBundles, errDeep)
}

// Open implements store.Reader.
func (s *Stores) Open(ctx context.Context, key crate.Key, at store.Placement) (store.Content, error) {
	switch {
	case at.Bundle != "":
		b, err := s.bundled()
		if b == nil || err != nil {
			return nil, fmt.Errorf("opening the bundles: %w", absentOr(err, s.dirs.Bundles))
		}
		if s.isFar(at.Bundle) {
			return s.far.Open(ctx, key, at)
		}
		return b.Open(ctx, key, at)
	case at.Deep.Segment != "" && !at.Loose:
		p, err := s.packed()
		if p == nil || err != nil {
			return nil, fmt.Errorf("opening the deep archive: %w", absentOr(err, s.dirs.Deep))
		}
		return p.Open(ctx, key, at)
	}
	return s.Store.Open(ctx, key, at)
}

// Now returns the [store.Content.Identity] of what Open would open, without opening it; zero
// if it cannot be known.
func (s *Stores) Now(key crate.Key, at store.Placement) store.Identity {
	switch {
	case at.Bundle != "":
		if b, err := s.bundled(); b != nil && err == nil {
			return b.Now(at)
		}
	case at.Loose:
		return s.Store.Now(key, at)
	}
	return store.Identity{}
}

// CheckPack calls packed.Store.CheckPack.
func (s *Stores) CheckPack(ctx context.Context, rows []packed.Row, depth deep.Depth) []error {
	p, err := s.packed()
	if p == nil || err != nil {
		return slices.Repeat([]error{fmt.Errorf("opening the deep archive: %w", absentOr(err, s.dirs.Deep))}, len(rows))
	}
	return p.CheckPack(ctx, rows, depth)
}

// absentOr returns err, or if it is nil, an error that says that a folder does not exist.
func absentOr(err error, dir string) error {
	if err == nil {
		return &fs.PathError{Op: "open", Path: dir, Err: fs.ErrNotExist}
	}
	return err
}

// NewListing implements store.Lister.
func (s *Stores) NewListing() (store.Listing, error) {
	var top store.Lister = s.Store
	b, err := s.bundled()
	if err != nil {
		return nil, err
	}
	if b != nil {
		top = b
	}
	l, err := top.NewListing()
	if err != nil {
		return nil, err
	}
	p, err := s.packed()
	if err != nil || p == nil {
		return l, err
	}
	return p.Listing(l)
}

// bundled opens the bundles once their folder exists. It returns nil before that.
func (s *Stores) bundled() (*bundled.ReadOnly, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.bundles != nil {
		return s.bundles, nil
	}
	folder, err := s.dirs.OpenBundles()
	if err != nil || folder == nil {
		return nil, err
	}
	s.bundles = bundled.OpenReadOnly(folder, s.Store)
	s.folders.Add(folder.Close)
	s.folders.Add(s.bundles.Close)
	if s.dirs.Remote != nil {
		s.far = fetched.New(fetched.Config{From: s.bundles, Cache: s.openCache(s.dirs.FetchedCache(), s.limits.FetchedCache), Metrics: s.limits.Fetched, Log: s.limits.Log})
	}
	return s.bundles, nil
}

// isFar reports whether a bundle is only in the bucket. The bundles must be open.
func (s *Stores) isFar(name string) bool {
	if s.far == nil {
		return false
	}
	_, err := os.Stat(filepath.Join(s.dirs.Bundles, name))
	return errors.Is(err, fs.ErrNotExist)
}

// packed opens the deep archive once its folder exists. It returns nil before that.
func (s *Stores) packed() (*packed.Store, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.deep != nil || s.dirs.Deep == "" {
		return s.deep, nil
	}
	folder, err := s.dirs.OpenDeep()
	if err != nil || folder == nil {
		return nil, err
	}
	s.deep = packed.New(packed.Config{Folder: folder, Behind: s.Store, Cache: s.openCache(s.dirs.DeepCache(), s.limits.DeepCache), Packs: s.limits.Packs, Rebuilds: s.limits.Rebuilds, Metrics: s.limits.Deep, Log: s.limits.Log})
	s.folders.Add(folder.Close)
	s.folders.Add(s.deep.Close)
	return s.deep, nil
}

// openCache opens a cache of crates in a folder. If that is impossible, it logs the reason and
// returns nil.
func (s *Stores) openCache(dir string, size int64) *cache.Cache {
	if size <= 0 {
		return nil
	}
	c, err := s.lockCache(dir, size)
	if err != nil && s.limits.Log != nil {
		s.limits.Log.Warn("no cache of crates: each is rebuilt or downloaded at every request", "cache", dir, "err", err)
	}
	return c
}

// lockCache opens and locks a cache, which has one user at a time.
func (s *Stores) lockCache(dir string, size int64) (*cache.Cache, error) {
	folder, err := durable.Create(dir)
	if err != nil {
		return nil, err
	}
	lock, err := durable.Lock(filepath.Join(dir, ".lock"), durable.Self("serve"))
	if err != nil {
		return nil, errors.Join(err, folder.Close())
	}
	c, err := cache.Open(folder, size)
	if err != nil {
		return nil, errors.Join(err, lock.Release(), folder.Close())
	}
	s.folders.Add(lock.Release)
	s.folders.Add(folder.Close)
	return c, nil
}

// Close closes the stores. Open contents stay usable.
func (s *Stores) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.folders.Close()
}
