package home

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
)

// ErrNoCatalog means that the operation needs a catalog, but the mirror has none.
var ErrNoCatalog = errors.New("there is no catalog: make it from the files with clonecratesio reindex")

func withoutCatalog(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: %w", ErrNoCatalog, err)
	}
	return err
}

// OpenCatalog opens the catalog. If there is none, or it is damaged, it makes a new one.
func (w *Writer) OpenCatalog() error {
	path := w.cfg.Dirs.Catalog()
	cat, err := catalog.Open(path)
	if errors.Is(err, catalog.ErrDamaged) {
		if err := w.cfg.Dirs.SetCatalogAside(w.cfg.Log, err); err != nil {
			return err
		}
		cat, err = catalog.Open(path)
	}
	return w.takeCatalog(cat, err)
}

// OpenKnownCatalog opens the existing catalog and never makes one: an empty catalog would say
// that nothing is stored. Errors: ErrNoCatalog; catalog.ErrDamaged.
func (w *Writer) OpenKnownCatalog() error {
	if _, err := os.Stat(w.cfg.Dirs.Catalog()); err != nil {
		return withoutCatalog(err)
	}
	return w.takeCatalog(catalog.Open(w.cfg.Dirs.Catalog()))
}

func (w *Writer) takeCatalog(cat *catalog.Catalog, err error) error {
	if err == nil {
		w.Catalog = cat
		w.closers.Add(cat.Close)
	}
	return err
}

// SetCatalogAside renames a damaged catalog, which must be closed. The catalog is only a
// convenience: the next run rebuilds it by hashing what is stored.
func (d *Dirs) SetCatalogAside(log *slog.Logger, damage error) error {
	err := moveCatalog(d.Catalog(), "damaged")
	if err == nil {
		log.Warn("the catalog was damaged: rebuilding it, and hashing every crate that is held", "kept_in", d.State(), "err", damage)
	}
	return err
}

// setOldCatalogAside makes room for a new catalog.
func setOldCatalogAside(path string) error {
	err := moveCatalog(path, "old")
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// moveCatalog renames a catalog and its companion files; the new name has the time and the
// reason.
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

// ReadCatalog calls read with the catalog of a mirror, and calls it again if the catalog is
// written meanwhile: the last call counts. If it returns ErrNoCatalog, it did not call read.
func (d *Dirs) ReadCatalog(ctx context.Context, read func(*catalog.Catalog) error) error {
	f, err := catalog.Follow(ctx, d.Catalog())
	if err != nil {
		return err
	}
	defer f.Close()
	found := false
	err = f.Read(ctx, func(c *catalog.Catalog) error {
		found = true
		return read(c)
	})
	if !found {
		err = withoutCatalog(err)
	}
	return err
}
