package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/manifest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store/loose"
)

func catalogPath(out string) string { return filepath.Join(out, loose.StateDir, "catalog.db") }

// held is a mirror's folder, opened by its one writer; an extraction has
// neither catalog nor manifest.
type held struct {
	folder, state, logs durable.FS
	lock                *durable.Lockfile
	store               *loose.Store
	catalog             *catalog.Catalog
	manifest            *manifest.Writer
}

// open opens the folder of a mirror for writing, made if absent. Nothing is
// touched but the lock before that is held.
func (a *App) open(cfg *downloadConfig, log *slog.Logger) (_ *held, err error) {
	h, err := a.openStore(cfg.out, cfg.durability, log)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			h.close()
		}
	}()
	if h.catalog, err = openCatalog(cfg.out, log); err != nil {
		return nil, err
	}
	if h.logs, err = a.folder(filepath.Dir(cfg.manifest)); err != nil {
		return nil, err
	}
	h.manifest, err = manifest.Create(h.logs, filepath.Base(cfg.manifest))
	return h, err
}

// openStore opens what every writer of loose files needs: folder, lock, store.
func (a *App) openStore(out, durability string, log *slog.Logger) (_ *held, err error) {
	h := new(held)
	defer func() {
		if err != nil {
			h.close()
		}
	}()
	if h.folder, err = a.folder(out); err != nil {
		return nil, err
	}
	if h.state, err = a.folder(filepath.Join(out, loose.StateDir)); err != nil {
		return nil, err
	}
	if h.lock, err = durable.Lock(filepath.Join(out, loose.StateDir, "lock"), durable.Self(strings.Join(os.Args, " "))); err != nil {
		return nil, err
	}
	if err := durable.CheckFolderSync(out); errors.Is(err, errors.ErrUnsupported) && durability != "none" {
		log.Warn("this file system cannot sync folders: after a power cut, crates of the last moments may be missing, and come again with the next run", "out", out)
	}
	h.store, err = loose.Open(h.folder, durabilities[durability])
	return h, err
}

func (a *App) folder(dir string) (durable.FS, error) {
	fsys, err := durable.Create(dir)
	if err != nil {
		return nil, err
	}
	return a.Disk(fsys), nil
}

// openCatalog opens the catalog. One that is damaged is moved aside: it is a
// convenience, and this run builds it again by hashing what is held.
func openCatalog(out string, log *slog.Logger) (*catalog.Catalog, error) {
	path := catalogPath(out)
	cat, err := catalog.Open(path)
	if !errors.Is(err, catalog.ErrDamaged) {
		return cat, err
	}
	aside := path + ".damaged-" + time.Now().UTC().Format("20060102T150405Z")
	if err := os.Rename(path, aside); err != nil {
		return nil, err
	}
	for _, ext := range []string{"-wal", "-shm"} {
		if err := os.Rename(path+ext, aside+ext); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	log.Warn("the catalog was damaged: it is built again, and every crate that is held is hashed", "kept_as", aside, "err", err)
	return catalog.Open(path)
}

// close closes what is open, the lock last.
func (h *held) close() error {
	var errs []error
	if h.manifest != nil {
		errs = append(errs, h.manifest.Close())
	}
	if h.catalog != nil {
		errs = append(errs, h.catalog.Close())
	}
	for _, fsys := range []durable.FS{h.logs, h.state, h.folder} {
		if fsys != nil {
			errs = append(errs, fsys.Close())
		}
	}
	if h.lock != nil {
		errs = append(errs, h.lock.Release())
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("closing the mirror: %w", err)
	}
	return nil
}
