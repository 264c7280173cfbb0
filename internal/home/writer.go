package home

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/runlog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store/bundled"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store/loose"
)

// Config says how a mirror is opened for writing.
type Config struct {
	Dirs       Dirs
	Owner      durable.Owner               // what the locks say of their holder
	Disk       func(durable.FS) durable.FS // wraps every folder that is written to; if nil, none
	Durability loose.Durability            // of loose files
	Log        *slog.Logger                // gets what the operator should know; must not be nil

	// Of Open alone.
	// Attach is called when the folder is locked, before anything in it is opened, to
	// find out what Dirs.Remote has. If nil, it is not called.
	Attach     func(context.Context, *Writer) error
	Bundles    BundleConfig // where new crates go
	NewCatalog bool         // the catalog is set aside and begun again
	// Manifest is the file of the audit log, at the end of symbolic links. If empty,
	// it is a stream, which is the caller's.
	Manifest string
}

// Writer is a mirror's folder, held by the one process that writes it.
type Writer struct {
	Crates, State durable.FS
	Bundles       durable.FS // only read unless new crates go there; nil: there is no such folder
	Loose         *loose.Store
	Store         store.Store      // all stores; nil until OpenStores or OpenBundles
	Catalog       *catalog.Catalog // nil until it is opened
	Manifest      *runlog.Writer   // nil if it is a stream, or none is written

	cfg       Config
	bundles   *bundled.Store // nil until OpenBundles
	deep      durable.FS     // segments, for writing; nil until OpenDeep
	readsDeep bool           // the deep archive is before all other stores
	closers   Closers
}

// Open opens a mirror for a run, and makes it if it is not there. Nothing is touched
// but the lock before that is held. Errors: *durable.HeldError; *InBucketError; those of the packages
// whose files are opened.
func Open(ctx context.Context, cfg Config) (_ *Writer, err error) {
	if err := cfg.Dirs.CheckHere(); err != nil {
		return nil, err
	}
	w, err := Hold(cfg)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, w.Close())
		}
	}()
	if cfg.Attach != nil {
		if err = cfg.Attach(ctx, w); err != nil {
			return nil, err
		}
	}
	if err = w.openManifest(); err != nil {
		return nil, err
	}
	if cfg.NewCatalog {
		if err = setOldCatalogAside(cfg.Dirs.Catalog()); err != nil {
			return nil, err
		}
	}
	if err = w.OpenCatalog(); err != nil {
		return nil, err
	}
	if err = w.AdoptNamed(ctx); err != nil {
		return nil, err
	}
	if err = w.openStores(ctx); err != nil {
		return nil, err
	}
	return w, nil
}

// Hold opens what every writer needs: the folder, its lock, and the loose files.
// Errors: *durable.HeldError.
func Hold(cfg Config) (_ *Writer, err error) {
	w := &Writer{cfg: cfg}
	defer func() {
		if err != nil {
			err = errors.Join(err, w.Close())
		}
	}()
	if w.Crates, err = w.folder(cfg.Dirs.Crates); err != nil {
		return nil, err
	}
	if w.State, err = w.folder(cfg.Dirs.State()); err != nil {
		return nil, err
	}
	if err = w.lock(filepath.Join(cfg.Dirs.State(), "lock")); err != nil {
		return nil, err
	}
	if err := durable.CheckFolderSync(cfg.Dirs.Crates); errors.Is(err, errors.ErrUnsupported) && cfg.Durability != loose.None {
		cfg.Log.Warn("this file system cannot sync folders: after a power cut, crates of the last moments may be missing, and come again with the next run", "out", cfg.Dirs.Crates)
	}
	w.Loose, err = loose.Open(w.Crates, cfg.Durability)
	return w, err
}

// openManifest begins the audit log, if that is a file. Two mirrors may be started in
// one folder and share it by default: it has a lock of its own.
func (w *Writer) openManifest() error {
	file := w.cfg.Manifest
	if file == "" {
		return nil
	}
	folder, err := w.folder(filepath.Dir(file))
	if err != nil {
		return err
	}
	if err := w.lock(file + ".lock"); err != nil {
		return err
	}
	w.Manifest = runlog.Create(folder, filepath.Base(file))
	w.closers.Add(w.Manifest.Close)
	return nil
}

// folder opens a folder for writing, made if it is not there.
func (w *Writer) folder(dir string) (durable.FS, error) {
	fsys, err := CreateFolder(dir, w.cfg.Disk)
	if err == nil {
		w.closers.Add(fsys.Close)
	}
	return fsys, err
}

func (w *Writer) lock(path string) error {
	lock, err := durable.Lock(path, w.cfg.Owner)
	if err == nil {
		w.closers.Add(lock.Release)
	}
	return err
}

// CreateFolder opens a folder for writing, made if it is not there, and wraps it
// unless wrap is nil.
func CreateFolder(dir string, wrap func(durable.FS) durable.FS) (durable.FS, error) {
	fsys, err := durable.Create(dir)
	if err == nil && wrap != nil {
		fsys = wrap(fsys)
	}
	return fsys, err
}

// OnClose has f called when the mirror is closed, after what was opened later.
func (w *Writer) OnClose(f func() error) { w.closers.Add(f) }

// Release closes a bundle that was read from, so that it can be removed on systems that
// remove no file that is open.
func (w *Writer) Release(bundle string) error {
	if w.bundles == nil {
		return nil
	}
	return w.bundles.Release(bundle)
}

// Disks are the folders whose free space a run watches, by their names.
func (w *Writer) Disks() map[string]durable.FS {
	disks := map[string]durable.FS{w.cfg.Dirs.Crates: w.State}
	if w.cfg.Bundles.Write {
		disks[w.cfg.Dirs.Bundles] = w.Bundles
	}
	return disks
}

// SyncAll makes durable what an earlier run has left to the system.
func (w *Writer) SyncAll() error {
	for _, fsys := range []durable.FS{w.Crates, w.Bundles} {
		if fsys == nil {
			continue
		}
		if err := fsys.SyncAll(); err != nil && !errors.Is(err, errors.ErrUnsupported) {
			return err
		}
	}
	return nil
}

// Close closes what is open and releases the locks.
func (w *Writer) Close() error {
	if err := w.closers.Close(); err != nil {
		return fmt.Errorf("closing the mirror: %w", err)
	}
	return nil
}
