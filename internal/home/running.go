package home

import (
	"context"
	"iter"
	"path/filepath"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/root"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store/bundled"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store/packed"
)

// This file stacks the stores of a run: bundles in front of loose files, and the deep archive
// in front of both. stores.go does it for readers.

// BundleConfig says whether and how new crates are written to bundles.
type BundleConfig struct {
	Write     bool                                  // write new crates to bundles; otherwise existing bundles are only read
	KeepLoose bool                                  // write new crates as loose files as well
	Size      int64                                 // of a full bundle, bytes
	URL       func(crate.ID, crate.Checksum) string // where a crate came from, for the manifests of bundles
	Shard     crate.Shard                           // the shard of the crates that are stored
	// Number returns the number for a new bundle: the lowest that is at least least and that
	// no other writer uses. If nil, it is least.
	Number func(least int) (int, error)
	// SegmentNumber does for a new segment what Number does for a bundle.
	SegmentNumber func(least int) (int, error)
}

// openStores opens the stores of a run, and records in the catalog the content of bundles that
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

// adoptBundles opens the loose files, and the existing bundles, for reading.
func (w *Writer) adoptBundles(ctx context.Context) error {
	known, err := w.Catalog.Bundles(ctx)
	if err != nil {
		return err
	}
	s := newStores(w.Loose, &Dirs{Bundles: w.cfg.Dirs.Bundles, Remote: w.cfg.Dirs.Remote})
	w.closers.Add(s.Close)
	w.Store = s
	if err := w.ReadBundles(); err != nil || w.Bundles == nil {
		return err
	}
	return bundled.Adopt(ctx, w.Bundles, adopter{w.Catalog, known}, w.cfg.Log)
}

// ReadBundles opens the folder of bundles for reading, if there is one.
func (w *Writer) ReadBundles() (err error) {
	if w.Bundles, err = w.cfg.Dirs.OpenBundles(); w.Bundles != nil {
		w.closers.Add(w.Bundles.Close)
	}
	return err
}

// OpenBundles opens the folder of bundles for writing and locks it: two mirrors that share
// only this folder must not write to the same bundles. The catalog must be open.
func (w *Writer) OpenBundles(ctx context.Context) (_ *bundled.Store, err error) {
	cfg := &w.cfg.Bundles
	known, err := w.Catalog.Bundles(ctx)
	if err != nil {
		return nil, err
	}
	if w.Bundles, err = w.lockedFolder(w.cfg.Dirs.Bundles, root.BundlesDir); err != nil {
		return nil, err
	}
	s, err := bundled.Open(ctx, bundled.Config{
		Folder: w.Bundles, Loose: w.Loose, Catalog: adopter{w.Catalog, known}, Target: cfg.Size, KeepLoose: cfg.KeepLoose,
		Shard: cfg.Shard, URL: cfg.URL, Number: cfg.Number, Log: w.cfg.Log,
	})
	if err != nil {
		return nil, err
	}
	w.closers.Add(s.Close)
	w.Store, w.bundles = s, s
	return s, nil
}

// TakeBundle calls bundled.Store.Take. New crates must go into bundles.
func (w *Writer) TakeBundle(ctx context.Context, file string, sum bundle.Summary, members func() iter.Seq2[bundle.Member, error]) (store.Bundle, error) {
	return w.bundles.Take(ctx, file, sum, members)
}

// lockedFolder opens a folder for writing, makes it if necessary, and locks it until the
// mirror is closed. The folder includes the bucket's files of the folder named.
func (w *Writer) lockedFolder(dir, named string) (durable.FS, error) {
	folder, err := w.folder(dir)
	if err != nil {
		return nil, err
	}
	if err := w.lock(filepath.Join(dir, ".lock")); err != nil {
		return nil, err
	}
	return w.cfg.Dirs.withRemote(folder, named), nil
}

// readDeep puts the deep archive, if there is one, in front of the store of a run, and records
// in the catalog the content of segments that it may not know.
func (w *Writer) readDeep(ctx context.Context) error {
	folder, err := w.cfg.Dirs.OpenDeep()
	if err != nil || folder == nil {
		return err
	}
	w.closers.Add(folder.Close)
	w.putDeepBefore(folder)
	return w.AdoptSegments(ctx, folder)
}

// AdoptSegments records in the catalog the content of the segments in a folder that it may not
// know.
func (w *Writer) AdoptSegments(ctx context.Context, folder durable.Reader) error {
	known, err := w.Catalog.Segments(ctx)
	if err != nil {
		return err
	}
	return packed.Adopt(ctx, folder, segmentAdopter{w.Catalog, known}, w.cfg.Log)
}

// OpenDeep opens the folder of segments for writing, makes it if necessary, and locks it until
// the mirror is closed. The store of this run then also reads what is packed there, even if
// the folder is new.
func (w *Writer) OpenDeep() (durable.FS, error) {
	if w.deep != nil { // a lock excludes its own process, too
		return w.deep, nil
	}
	folder, err := w.lockedFolder(w.cfg.Dirs.Deep, root.DeepDir)
	if err != nil {
		return nil, err
	}
	if w.deep = folder; w.Store != nil && !w.readsDeep {
		w.putDeepBefore(folder)
	}
	return folder, nil
}

// SegmentNumber returns BundleConfig.SegmentNumber of the configuration.
func (w *Writer) SegmentNumber() func(least int) (int, error) { return w.cfg.Bundles.SegmentNumber }

// putDeepBefore puts the deep archive in front of the store of a run, which can then read what
// is packed.
func (w *Writer) putDeepBefore(folder durable.Reader) {
	s := packed.New(packed.Config{Folder: folder, Behind: w.Store, Log: w.cfg.Log})
	w.closers.Add(s.Close)
	w.Store, w.readsDeep = s, true
	if f, ok := s.Store.(store.Finisher); ok {
		w.Store = finishing{s, f}
	}
}

// finishing is the deep archive in front of a store that must be finished.
type finishing struct {
	*packed.Store
	store.Finisher
}
