package cli

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store/bundled"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store/loose"
)

// bundlesLock is the lock file in a folder of bundles: two mirrors with folders
// of their own for the rest must not write into the same bundles.
const bundlesLock = ".lock"

// openStore opens what a run stores into: loose files, and bundles if they are
// asked for. What lies in bundles is held in any case.
func (a *App) openStore(ctx context.Context, h *held, l *loose.Store, cfg *runConfig, log *slog.Logger) (err error) {
	if cfg.bundle {
		s, err := a.openBundles(ctx, h, l, cfg, log)
		if err == nil {
			h.store = s
		}
		return err
	}
	known, err := h.catalog.Bundles(ctx)
	if err != nil {
		return err
	}
	h.store = l
	if h.bundles, err = openIfThere(cfg.bundlesOut); err != nil || h.bundles == nil {
		return err
	}
	s := bundled.OpenReadOnly(h.bundles, l)
	h.store, h.closeStore = s, s.Close
	return bundled.Adopt(ctx, h.bundles, adopter{h.catalog, known}, log)
}

// openBundles opens the folder of bundles for writing, and locks it.
func (a *App) openBundles(ctx context.Context, h *held, l *loose.Store, cfg *runConfig, log *slog.Logger) (*bundled.Store, error) {
	known, err := h.catalog.Bundles(ctx)
	if err != nil {
		return nil, err
	}
	if h.bundles, err = a.folder(cfg.bundlesOut); err != nil {
		return nil, err
	}
	if err := h.takeLock(filepath.Join(cfg.bundlesOut, bundlesLock), cfg.out); err != nil {
		return nil, err
	}
	size := cfg.bundleSizeGB << 30
	if a.BundleSize > 0 {
		size = a.BundleSize
	}
	s, err := bundled.Open(ctx, bundled.Config{
		Folder: h.bundles, Loose: l, Catalog: adopter{h.catalog, known}, Target: size, KeepLoose: cfg.bundleMode == "add",
		URL: func(id crate.ID, sum crate.Checksum) string { return cfg.origin.urls.WithoutUser().URL(id, sum) }, Log: log,
	})
	if err != nil {
		return nil, err
	}
	h.closeStore = s.Close
	return s, nil
}

// openIfThere opens a folder for reading; nil: there is none.
func openIfThere(dir string) (durable.FS, error) {
	folder, err := durable.Open(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return folder, err
}

// hasBundles reports whether there are bundles in a folder.
func hasBundles(dir string) bool {
	entries, _ := os.ReadDir(dir) // whoever opens it tells what is wrong
	return slices.ContainsFunc(entries, func(e os.DirEntry) bool { return strings.HasSuffix(e.Name(), bundle.Ext) })
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
