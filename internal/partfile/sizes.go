package partfile

import (
	"errors"
	"io/fs"
	"strings"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
)

// Sizes returns the sizes of the files of a kind in a folder, published or not, by their
// final names. A missing folder has none.
func Sizes(folder durable.Reader, ofKind func(name string) bool) (map[string]int64, error) {
	entries, err := folder.ReadDir(".")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	sizes := map[string]int64{}
	for _, e := range entries {
		name := strings.TrimSuffix(e.Name(), Ext)
		if !ofKind(name) {
			continue
		}
		info, err := e.Info()
		switch {
		case errors.Is(err, fs.ErrNotExist): // renamed or removed in between
		case err != nil:
			return nil, err
		case info.Mode().IsRegular():
			sizes[name] = max(sizes[name], info.Size())
		}
	}
	return sizes, nil
}
