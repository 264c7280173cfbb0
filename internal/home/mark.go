package home

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

// A NoMirrorError says that a folder should be a mirror's, but is not.
type NoMirrorError struct {
	Dirs   Dirs
	Crates bool // there are crates from which a catalog can be made
}

func (e *NoMirrorError) Error() string {
	if e.Crates {
		return fmt.Sprintf("%s is not a mirror yet: there are crates, and no catalog of them", e.Dirs.Crates)
	}
	return fmt.Sprintf("%s is not a mirror", e.Dirs.Crates)
}

// Check refuses folders that are not a mirror's, or that have no catalog. Errors:
// *NoMirrorError.
func (d *Dirs) Check() error {
	if err := d.CheckState(); err != nil {
		return err
	}
	return d.CheckCatalog()
}

// CheckState refuses folders that none of our programs has written to. Errors: *NoMirrorError.
func (d *Dirs) CheckState() error {
	_, err := os.Stat(d.State())
	if errors.Is(err, fs.ErrNotExist) {
		return &NoMirrorError{*d, d.hasCrates()}
	}
	if err != nil {
		return fmt.Errorf("opening the mirror: %w", err)
	}
	return nil
}

// CheckCatalog refuses folders that have crates but no catalog. Errors: *NoMirrorError.
func (d *Dirs) CheckCatalog() error {
	if d.HasCatalog() || !d.hasCrates() {
		return nil
	}
	return &NoMirrorError{*d, true}
}

// HasCatalog reports whether there is a catalog, or something in its place that cannot be
// read: opening it says what is wrong.
func (d *Dirs) HasCatalog() bool {
	_, err := os.Stat(d.Catalog())
	return !errors.Is(err, fs.ErrNotExist)
}

// HasBundles reports whether there are bundles.
func (d *Dirs) HasBundles() bool {
	entries, _ := os.ReadDir(d.Bundles) // opening it says what is wrong
	return slices.ContainsFunc(entries, func(e os.DirEntry) bool { return strings.HasSuffix(e.Name(), bundle.Ext) })
}

// hasCrates reports whether there are crates from which a catalog can be made.
func (d *Dirs) hasCrates() bool { return d.HasBundles() || hasLoose(d.Crates, 0) }

// hasLoose reports whether a folder has a crate file in the shard layout, whose folders have
// short names and are two levels deep.
func hasLoose(dir string, depth int) bool {
	const deepest, longest = 2, 4
	entries, _ := os.ReadDir(dir) // opening it says what is wrong
	return slices.ContainsFunc(entries, func(e os.DirEntry) bool {
		if e.IsDir() {
			return depth < deepest && len(e.Name()) <= longest && hasLoose(filepath.Join(dir, e.Name()), depth+1)
		}
		_, err := crate.ParseFileName(e.Name())
		return err == nil
	})
}
