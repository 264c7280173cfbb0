package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/runlog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store/loose"
)

func catalogPath(out string) string { return filepath.Join(out, loose.StateDir, "catalog.db") }

// held is a mirror's folder, opened by its one writer; an extraction has
// neither catalog nor manifest.
type held struct {
	folder, state, logs durable.FS
	bundles             durable.FS // only read unless bundles are made; nil: there is no such folder
	locks               []*durable.Lockfile
	store               store.Store
	closeStore          func() error
	catalog             *catalog.Catalog
	manifest            *runlog.Writer // nil if it is a stream
}

// open opens the folder of a mirror for writing, made if absent. Nothing is
// touched but the lock before that is held. The manifest is begun in to, if that
// is a file.
func (a *App) open(ctx context.Context, cfg *runConfig, to target, log *slog.Logger) (_ *held, err error) {
	h, l, err := a.openLoose(cfg.out, cfg.durability, log)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			h.close()
		}
	}()
	if to.stream == nil {
		err = a.openLogs(h, to.file, cfg.out)
	}
	if err != nil {
		return nil, err
	}
	if cfg.newCatalog {
		if err = moveCatalog(catalogPath(cfg.out), "old"); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	if h.catalog, err = openCatalog(cfg.out, log); err != nil {
		return nil, err
	}
	if err = a.openStore(ctx, h, l, cfg, log); err != nil {
		return nil, err
	}
	return h, nil
}

// openLogs opens the folder of a manifest. Two mirrors may be started in one
// folder and share its manifest by default.
func (a *App) openLogs(h *held, file, out string) (err error) {
	if h.logs, err = a.folder(filepath.Dir(file)); err != nil {
		return err
	}
	h.manifest = runlog.Create(h.logs, filepath.Base(file))
	return h.takeLock(file+".lock", out)
}

// openLoose opens what every writer of loose files needs: folder, lock, store.
func (a *App) openLoose(out, durability string, log *slog.Logger) (_ *held, l *loose.Store, err error) {
	h := new(held)
	defer func() {
		if err != nil {
			h.close()
		}
	}()
	if h.folder, err = a.folder(out); err != nil {
		return nil, nil, err
	}
	if h.state, err = a.folder(filepath.Join(out, loose.StateDir)); err != nil {
		return nil, nil, err
	}
	if err = h.takeLock(filepath.Join(out, loose.StateDir, "lock"), out); err != nil {
		return nil, nil, err
	}
	if err := durable.CheckFolderSync(out); errors.Is(err, errors.ErrUnsupported) && durability != "none" {
		log.Warn("this file system cannot sync folders: after a power cut, crates of the last moments may be missing, and come again with the next run", "out", out)
	}
	l, err = loose.Open(h.folder, durabilities[durability])
	return h, l, err
}

// takeLock takes a lock, and says in it what runs. Not the whole command line:
// URLs may have passwords.
func (h *held) takeLock(path, out string) error {
	lock, err := durable.Lock(path, durable.Self(filepath.Base(os.Args[0])+" -out "+out))
	if err == nil {
		h.locks = append(h.locks, lock)
	}
	return err
}

// disks are the folders whose free space is watched.
func (h *held) disks(cfg *runConfig) map[string]durable.FS {
	disks := map[string]durable.FS{cfg.out: h.state}
	if cfg.bundle {
		disks[cfg.bundlesOut] = h.bundles
	}
	return disks
}

func (a *App) folder(dir string) (durable.FS, error) {
	fsys, err := durable.Create(dir)
	if err != nil {
		return nil, err
	}
	return a.Disk(fsys), nil
}

// openCatalog opens the catalog, a new one if it is damaged.
func openCatalog(out string, log *slog.Logger) (*catalog.Catalog, error) {
	path := catalogPath(out)
	cat, err := catalog.Open(path)
	if !errors.Is(err, catalog.ErrDamaged) {
		return cat, err
	}
	if err := setCatalogAside(path, log, err); err != nil {
		return nil, err
	}
	return catalog.Open(path)
}

// setCatalogAside moves a damaged catalog, which must be closed, out of the way:
// it is a convenience, and the next run builds it again by hashing what is held.
func setCatalogAside(path string, log *slog.Logger, damage error) error {
	err := moveCatalog(path, "damaged")
	if err == nil {
		log.Warn("the catalog was damaged: it is built again, and every crate that is held is hashed", "kept_in", filepath.Dir(path), "err", damage)
	}
	return err
}

// moveCatalog gives a catalog and what belongs to it another name, with the time
// and why.
func moveCatalog(path, why string) error {
	aside := path + "." + why + "-" + time.Now().UTC().Format("20060102T150405Z")
	if err := os.Rename(path, aside); err != nil {
		return err
	}
	for _, ext := range []string{"-wal", "-shm"} {
		if err := os.Rename(path+ext, aside+ext); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// close closes what is open, the locks last.
func (h *held) close() error {
	var errs []error
	if h.manifest != nil {
		errs = append(errs, h.manifest.Close())
	}
	if h.catalog != nil {
		errs = append(errs, h.catalog.Close())
	}
	if h.closeStore != nil {
		errs = append(errs, h.closeStore())
	}
	for _, fsys := range []durable.FS{h.logs, h.bundles, h.state, h.folder} {
		if fsys != nil {
			errs = append(errs, fsys.Close())
		}
	}
	for _, lock := range h.locks {
		errs = append(errs, lock.Release())
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("closing the mirror: %w", err)
	}
	return nil
}
