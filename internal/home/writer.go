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

// Config configures a mirror that is opened for writing.
type Config struct {
	Dirs       Dirs
	Owner      durable.Owner               // recorded in the locks as their holder
	Disk       func(durable.FS) durable.FS // wraps every folder that is written to; if nil, none is wrapped
	Durability loose.Durability            // of loose files
	Log        *slog.Logger                // receives what the operator should know; must not be nil

	// Attach is used by Open only. Open calls it once the folder is locked, and before it
	// opens anything in the folder, to find out the value of Dirs.Remote. If nil, it is not
	// called.
	Attach     func(context.Context, *Writer) error
	Bundles    BundleConfig // where new crates are written
	NewCatalog bool         // set the catalog aside and begin a new one
	// Manifest is the file of the audit log, with symbolic links resolved. If empty, the audit
	// log is a stream that belongs to the caller.
	Manifest string
}

// Writer is a mirror's folder, locked by the one process that writes it.
type Writer struct {
	Crates, State durable.FS
	Bundles       durable.FS // read only, unless new crates go there; nil: there is no such folder
	Loose         *loose.Store
	Store         store.Store      // all stores; nil until OpenStores or OpenBundles
	Catalog       *catalog.Catalog // nil until it is opened
	Manifest      *runlog.Writer   // nil if the audit log is a stream, or there is none

	cfg       Config
	bundles   *bundled.Store // nil until OpenBundles
	deep      durable.FS     // segments, for writing; nil until OpenDeep
	readsDeep bool           // the deep archive is in front of all other stores
	closers   Closers
}

// Open opens a mirror for a run, and makes it if it does not exist. Until it holds the lock, it
// touches nothing else. Errors: *durable.HeldError; *InBucketError; those of the packages whose
// files it opens.
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

// openManifest begins the audit log, if it is a file. It has its own lock, because two mirrors
// started in one folder share it by default.
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

// folder opens a folder for writing and makes it if necessary.
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

// CreateFolder opens a folder for writing and makes it if necessary. It wraps the folder
// unless wrap is nil.
func CreateFolder(dir string, wrap func(durable.FS) durable.FS) (durable.FS, error) {
	fsys, err := durable.Create(dir)
	if err == nil && wrap != nil {
		fsys = wrap(fsys)
	}
	return fsys, err
}

// OnClose registers f: Close calls it after closing what was opened later.
func (w *Writer) OnClose(f func() error) { w.closers.Add(f) }

// Release closes a bundle that was read, so that systems that cannot remove open files can
// remove it.
func (w *Writer) Release(bundle string) error {
	if w.bundles == nil {
		return nil
	}
	return w.bundles.Release(bundle)
}

// Disks returns the folders whose free space a run watches, by name.
func (w *Writer) Disks() map[string]durable.FS {
	disks := map[string]durable.FS{w.cfg.Dirs.Crates: w.State}
	if w.cfg.Bundles.Write {
		disks[w.cfg.Dirs.Bundles] = w.Bundles
	}
	return disks
}

// SyncAll makes durable what an earlier run left to the operating system.
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
