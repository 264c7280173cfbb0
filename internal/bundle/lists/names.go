package lists

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/jsonl"
)

const manifestExt = ".manifest.jsonl"

// ManifestName returns the name of the manifest of a bundle, given its first and last crate
// name.
func ManifestName(n bundle.Name, first, last string) string {
	return n.Stem() + "-" + Label(first) + "-to-" + Label(last) + manifestExt
}

// Label returns a crate name in the form used in the name of a manifest.
func Label(name string) string {
	label := strings.ToLower(strings.TrimSpace(name))
	if label == "" {
		return "unknown"
	}
	return strings.NewReplacer(".", "-", "_", "-", " ", "-").Replace(label)
}

// NextNumber returns the number for the next bundle in the folder fsys: one more than the
// highest of any bundle there, of any shard, finished or not, and in the catalog (E1), so
// that later bundles have higher numbers. It ignores an unusable catalog: the bundles have
// their numbers.
func NextNumber(fsys durable.Reader) (int, error) {
	highest := -1
	files, err := fsys.ReadDir(".")
	if err != nil {
		return 0, fmt.Errorf("looking for the highest bundle: %w", err)
	}
	for _, f := range files {
		if n, _, ok := bundle.CutName(f.Name()); ok {
			highest = max(highest, n.Number)
		}
	}
	catalog, err := fsys.Open(CatalogName)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, fmt.Errorf("looking for the highest bundle: %w", err)
	}
	if err == nil {
		defer catalog.Close()
		for entry, err := range ReadCatalog(catalog) {
			var line *jsonl.LineError
			if err != nil && !errors.As(err, &line) {
				return 0, fmt.Errorf("looking for the highest bundle: %w", err)
			}
			if err == nil {
				highest = max(highest, entry.Bundle.Number)
			}
		}
	}
	if highest >= bundle.MaxNumber {
		return 0, fmt.Errorf("bundle %s has the highest number possible", bundle.FileName(highest))
	}
	return highest + 1, nil
}
