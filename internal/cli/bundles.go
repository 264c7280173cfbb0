package cli

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"path/filepath"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/mirror"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store/bundled"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store/loose"
)

// bundlesLock is the lock file in a folder of bundles: two mirrors with folders
// of their own for the rest must not write into the same bundles.
const bundlesLock = ".lock"

// openStore opens what a run stores into: loose files, and bundles if they are
// asked for. What earlier runs have put into bundles is held in any case.
func (a *App) openStore(ctx context.Context, h *held, l *loose.Store, cfg *runConfig, log *slog.Logger) (err error) {
	if !cfg.bundle {
		h.store, h.closeStore, err = readBundles(cfg.bundlesOut, l)
		return err
	}
	if h.bundles, err = a.folder(cfg.bundlesOut); err != nil {
		return err
	}
	if err := h.takeLock(filepath.Join(cfg.bundlesOut, bundlesLock), cfg.out); err != nil {
		return err
	}
	known, err := h.catalog.Bundles(ctx)
	if err != nil {
		return err
	}
	size := cfg.bundleSizeGB << 30
	if a.BundleSize > 0 {
		size = a.BundleSize
	}
	s, err := bundled.Open(ctx, bundled.Config{
		Folder: h.bundles, Loose: l, Catalog: adopter{h.catalog, known}, Target: size, KeepLoose: cfg.bundleMode == "add",
		URL: func(id crate.ID) string { return cfg.baseURL + "/" + id.URLPath() }, Log: log,
	})
	if err == nil {
		h.store, h.closeStore = s, s.Close
	}
	return err
}

// readBundles adds the bundles in dir, if there are any, to a loose store.
func readBundles(dir string, l *loose.Store) (_ mirror.Store, done func() error, err error) {
	folder, err := durable.Open(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return l, func() error { return nil }, nil
	}
	if err != nil {
		return nil, nil, err
	}
	s := bundled.OpenReadOnly(folder, l)
	return s, func() error { return errors.Join(s.Close(), folder.Close()) }, nil
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
		known[b.Name] = b.Whole
	}
	return known
}

// Adopt implements bundled.Catalog.
func (a adopter) Adopt(ctx context.Context, name string, members []bundle.Member) error {
	found := make([]catalog.Version, len(members))
	for i, m := range members {
		found[i] = catalog.Version{ID: m.ID, Checksum: m.Checksum, Size: m.Size, Bundle: name, Offset: m.Offset, Length: m.FrameSize}
	}
	return a.catalog.Adopt(ctx, found)
}

// Adopted implements bundled.Catalog.
func (a adopter) Adopted(ctx context.Context, b store.Bundle) error {
	whole := catalog.Bundle{Name: b.Name, Whole: true, Entries: b.Entries, Bytes: b.Bytes, Checksum: b.Checksum}
	return a.catalog.Commit(ctx, catalog.Batch{Bundles: []catalog.Bundle{whole}})
}
