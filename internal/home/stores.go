package home

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/deep"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store/bundled"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store/cache"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store/loose"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store/packed"
)

// This file is the one place in which stores are picked and put before one another:
// whoever adds a kind of store adds it here, once for readers and once for the
// writer. The rest of the program sees a store.Store.

// Stores are all places of a mirror that keep crates, open for reading: what is
// loose, what is in bundles, and what is in the deep archive. The folders of the last
// two may come later. Its methods may be called concurrently.
type Stores struct {
	*loose.Store
	dirs    Dirs
	limits  DeepLimits
	folders Closers

	mu      sync.Mutex        // guards what follows
	bundles *bundled.ReadOnly // nil: there was no folder of bundles yet
	deep    *packed.Store     // nil: there was no folder of segments yet
}

var _ store.Store = (*Stores)(nil)

// DeepLimits says what reading the deep archive may cost. The zero value will do
// for all who do not serve.
type DeepLimits struct {
	CacheSize int64           // of the files of crates that were rebuilt, bytes; 0: none are kept
	Metrics   *packed.Metrics // if nil, nobody looks
	Log       *slog.Logger    // if nil, nobody reads it
}

// OpenStores opens the stores of a mirror for reading, without a lock: others may be
// writing them. Errors: fs.ErrNotExist if there is no folder of crates.
func OpenStores(d *Dirs, limits DeepLimits) (*Stores, error) {
	folder, err := durable.Open(d.Crates)
	if err != nil {
		return nil, err
	}
	return NewStores(folder, d, limits), nil
}

// NewStores is OpenStores with a folder of crates that is open; Close closes it.
func NewStores(folder durable.FS, d *Dirs, limits DeepLimits) *Stores {
	s := newStores(loose.OpenReadOnly(folder), d)
	s.limits, s.dirs.Deep = limits, d.DeepOrUsual()
	s.folders.Add(folder.Close)
	return s
}

func newStores(files *loose.Store, d *Dirs) *Stores { return &Stores{Store: files, dirs: *d} }

// Check reports why bundles or segments that are there cannot be read.
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

// CheckPack is packed.Store.CheckPack.
func (s *Stores) CheckPack(ctx context.Context, rows []packed.Row, depth deep.Depth) []error {
	p, err := s.packed()
	if p == nil || err != nil {
		return slices.Repeat([]error{fmt.Errorf("opening the deep archive: %w", absentOr(err, s.dirs.Deep))}, len(rows))
	}
	return p.CheckPack(ctx, rows, depth)
}

// absentOr is the error of a folder that is not there, if there is no other.
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

// bundled opens the bundles as soon as there is a folder of them; nil: there is none.
func (s *Stores) bundled() (*bundled.ReadOnly, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.bundles != nil {
		return s.bundles, nil
	}
	folder, err := OpenIfThere(s.dirs.Bundles)
	if err != nil || folder == nil {
		return nil, err
	}
	s.bundles = bundled.OpenReadOnly(folder, s.Store)
	s.folders.Add(folder.Close)
	s.folders.Add(s.bundles.Close)
	return s.bundles, nil
}

// packed opens the deep archive as soon as there is a folder of it; nil: there is
// none.
func (s *Stores) packed() (*packed.Store, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.deep != nil || s.dirs.Deep == "" {
		return s.deep, nil
	}
	folder, err := OpenIfThere(s.dirs.Deep)
	if err != nil || folder == nil {
		return nil, err
	}
	s.deep = packed.New(packed.Config{Folder: folder, Behind: s.Store, Cache: s.openCache(), Metrics: s.limits.Metrics, Log: s.limits.Log})
	s.folders.Add(folder.Close)
	s.folders.Add(s.deep.Close)
	return s.deep, nil
}

// openCache opens the cache of crates that were rebuilt; nil: there can be none, and
// the log says why.
func (s *Stores) openCache() *cache.Cache {
	if s.limits.CacheSize <= 0 {
		return nil
	}
	c, err := s.lockCache(s.dirs.DeepCache())
	if err != nil && s.limits.Log != nil {
		s.limits.Log.Warn("no cache of crates that were rebuilt: each is rebuilt whenever it is asked for", "err", err)
	}
	return c
}

// lockCache takes the cache over: it has one user at a time.
func (s *Stores) lockCache(dir string) (*cache.Cache, error) {
	folder, err := durable.Create(dir)
	if err != nil {
		return nil, err
	}
	lock, err := durable.Lock(filepath.Join(dir, ".lock"), durable.Self("serve"))
	if err != nil {
		return nil, errors.Join(err, folder.Close())
	}
	c, err := cache.Open(folder, s.limits.CacheSize)
	if err != nil {
		return nil, errors.Join(err, lock.Release(), folder.Close())
	}
	s.folders.Add(lock.Release)
	s.folders.Add(folder.Close)
	return c, nil
}

// Close closes the stores. Contents that are open stay usable.
func (s *Stores) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.folders.Close()
}

// BundleConfig says whether new crates go into bundles, and how.
type BundleConfig struct {
	Write     bool                                  // they do; otherwise bundles that are there are read
	KeepLoose bool                                  // they become loose files as well
	Shard     crate.Shard                           // of all crates, for the names of bundles
	Size      int64                                 // at which a bundle takes no more, bytes
	URL       func(crate.ID, crate.Checksum) string // where a crate came from, for the manifests of bundles
}

// openStores opens the stores of a run, and tells the catalog what is in bundles that
// it may not know.
func (w *Writer) openStores(ctx context.Context) (err error) {
	if w.cfg.Bundles.Write {
		_, err = w.OpenBundles(ctx)
	} else {
		err = w.adoptBundles(ctx)
	}
	if err != nil {
		return err
	}
	return w.readDeep(ctx)
}

// adoptBundles opens the loose files, and what is there of bundles, for reading.
func (w *Writer) adoptBundles(ctx context.Context) error {
	known, err := w.Catalog.Bundles(ctx)
	if err != nil {
		return err
	}
	s := newStores(w.Loose, &Dirs{Bundles: w.cfg.Dirs.Bundles})
	w.closers.Add(s.Close)
	w.Store = s
	if err := w.ReadBundles(); err != nil || w.Bundles == nil {
		return err
	}
	return bundled.Adopt(ctx, w.Bundles, adopter{w.Catalog, known}, w.cfg.Log)
}

// readDeep puts the deep archive, if there is one, before the store of a run, and
// tells the catalog what is in it that it may not know.
func (w *Writer) readDeep(ctx context.Context) error {
	dir := w.cfg.Dirs.DeepOrUsual()
	if dir == "" {
		return nil
	}
	folder, err := OpenIfThere(dir)
	if err != nil || folder == nil {
		return err
	}
	w.closers.Add(folder.Close)
	w.putDeepBefore(folder)
	known, err := w.Catalog.Segments(ctx)
	if err != nil {
		return err
	}
	return packed.Adopt(ctx, folder, segmentAdopter{w.Catalog, known}, w.cfg.Log)
}

// putDeepBefore puts the deep archive before the store of a run, which thereby holds
// what is packed.
func (w *Writer) putDeepBefore(folder durable.Reader) {
	s := packed.New(packed.Config{Folder: folder, Behind: w.Store, Log: w.cfg.Log})
	w.closers.Add(s.Close)
	w.Store, w.readsDeep = s, true
	if f, ok := s.Store.(store.Finisher); ok {
		w.Store = finishing{s, f}
	}
}

// finishing is the deep archive before a store that has something to finish.
type finishing struct {
	*packed.Store
	store.Finisher
}

// segmentAdopter tells the catalog what segments hold.
type segmentAdopter struct {
	catalog *catalog.Catalog
	known   []catalog.Bundle
}

// Known implements packed.Catalog.
func (a segmentAdopter) Known(name string, finished bool) bool {
	return slices.ContainsFunc(a.known, func(b catalog.Bundle) bool { return b.Name == name && (b.Whole || !finished) })
}

// Adopt implements packed.Catalog.
func (a segmentAdopter) Adopt(ctx context.Context, found []packed.Found) error {
	rows := make([]catalog.Version, len(found))
	for i, f := range found {
		rows[i] = catalog.Version{ID: f.ID, Checksum: f.Checksum, Size: f.Size, Placement: store.Placement{Deep: f.At}}
	}
	return a.catalog.Adopt(ctx, rows)
}

// Adopted implements packed.Catalog.
func (a segmentAdopter) Adopted(ctx context.Context, b store.Bundle) error {
	whole := catalog.Bundle{Name: b.Name, Whole: true, Entries: b.Entries, Bytes: b.Bytes, Checksum: b.Checksum}
	return a.catalog.Commit(ctx, catalog.Batch{Segments: []catalog.Bundle{whole}})
}

// ReadBundles opens the folder of bundles for reading, if there is one.
func (w *Writer) ReadBundles() (err error) {
	if w.Bundles, err = OpenIfThere(w.cfg.Dirs.Bundles); w.Bundles != nil {
		w.closers.Add(w.Bundles.Close)
	}
	return err
}

// OpenBundles opens the folder of bundles for writing, and locks it: two mirrors with
// folders of their own for the rest must not write into the same bundles. The catalog
// must be open.
func (w *Writer) OpenBundles(ctx context.Context) (_ *bundled.Store, err error) {
	cfg := &w.cfg.Bundles
	known, err := w.Catalog.Bundles(ctx)
	if err != nil {
		return nil, err
	}
	if w.Bundles, err = w.folder(w.cfg.Dirs.Bundles); err != nil {
		return nil, err
	}
	if err := w.lock(filepath.Join(w.cfg.Dirs.Bundles, ".lock")); err != nil {
		return nil, err
	}
	s, err := bundled.Open(ctx, bundled.Config{
		Folder: w.Bundles, Loose: w.Loose, Catalog: adopter{w.Catalog, known}, Shard: cfg.Shard, Target: cfg.Size, KeepLoose: cfg.KeepLoose, URL: cfg.URL, Log: w.cfg.Log,
	})
	if err != nil {
		return nil, err
	}
	w.closers.Add(s.Close)
	w.Store = s
	return s, nil
}

// OpenDeep opens the folder of segments for writing, made if it is not there, and
// locks it, until the mirror is closed; what is packed there is held by the store of
// this run, too, also where there was no such folder when it began.
func (w *Writer) OpenDeep() (durable.FS, error) {
	if w.deep != nil { // a lock excludes its own process, too
		return w.deep, nil
	}
	folder, err := w.folder(w.cfg.Dirs.Deep)
	if err == nil {
		err = w.lock(filepath.Join(w.cfg.Dirs.Deep, ".lock"))
	}
	if err != nil {
		return nil, err
	}
	if w.deep = folder; w.Store != nil && !w.readsDeep {
		w.putDeepBefore(folder)
	}
	return folder, nil
}

// adopter tells the catalog what bundles hold.
type adopter struct {
	catalog *catalog.Catalog
	known   []catalog.Bundle
}

// Bundles implements bundled.Catalog.
func (a adopter) Bundles() map[string]bool {
	known := make(map[string]bool, len(a.known))
	for _, b := range a.known {
		known[b.Name] = b.Whole && !b.Thrown() // one that came back from the trash is read again
	}
	return known
}

// Adopt implements bundled.Catalog.
func (a adopter) Adopt(ctx context.Context, name string, members []bundle.Member) error {
	found := make([]catalog.Version, len(members))
	for i, m := range members {
		found[i] = catalog.Version{ID: m.ID, Checksum: m.Checksum, Size: m.Size,
			Placement: store.Placement{Bundle: name, Offset: m.Offset, FrameSize: m.FrameSize}}
	}
	return a.catalog.Adopt(ctx, found)
}

// Adopted implements bundled.Catalog.
func (a adopter) Adopted(ctx context.Context, b store.Bundle) error {
	whole := catalog.Bundle{Name: b.Name, Whole: true, Entries: b.Entries, Bytes: b.Bytes, Checksum: b.Checksum}
	return a.catalog.Commit(ctx, catalog.Batch{Bundles: []catalog.Bundle{whole}})
}

// OpenIfThere opens a folder for reading; nil: there is none.
func OpenIfThere(dir string) (durable.FS, error) {
	folder, err := durable.Open(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return folder, err
}
