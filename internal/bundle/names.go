package bundle

import (
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/jsonl"
)

const (
	namePrefix = "bundle-"
	// Ext ends the name of a bundle.
	Ext         = ".tar.zst"
	manifestExt = ".manifest.jsonl"
	// MaxNumber is the highest number of a bundle.
	MaxNumber = 999_999_999
	minDigits = 4
)

// FileName returns the name of the bundle with a number: bundle-0042.tar.zst.
func FileName(number int) string { return stem(number) + Ext }

func stem(number int) string { return fmt.Sprintf("%s%0*d", namePrefix, minDigits, number) }

// ParseFileName is the inverse of FileName.
func ParseFileName(name string) (number int, err error) {
	n, rest, ok := cutNumber(name)
	if !ok || rest != Ext {
		return 0, fmt.Errorf("%q is not %sNNNN%s", clip(name), namePrefix, Ext)
	}
	return n, nil
}

// cutNumber splits the name of a file that belongs to a bundle behind the
// number.
func cutNumber(name string) (number int, rest string, ok bool) {
	digits, ok := strings.CutPrefix(name, namePrefix)
	if !ok {
		return 0, "", false
	}
	if end := strings.IndexFunc(digits, func(r rune) bool { return r < '0' || r > '9' }); end >= 0 {
		digits, rest = digits[:end], digits[end:]
	}
	n, err := strconv.Atoi(digits)
	if err != nil || n > MaxNumber || namePrefix+digits != stem(n) {
		return 0, "", false
	}
	return n, rest, true
}

// ManifestName returns the name of the manifest of a bundle, given its first
// and last crate name.
func ManifestName(number int, first, last string) string {
	return stem(number) + "-" + Label(first) + "-to-" + Label(last) + manifestExt
}

// Label is a crate name as it stands in the name of a manifest.
func Label(name string) string {
	label := strings.ToLower(strings.TrimSpace(name))
	if label == "" {
		return "unknown"
	}
	return strings.NewReplacer(".", "-", "_", "-", " ", "-").Replace(label)
}

// NextNumber returns the number of the next bundle in the folder fsys: one more
// than the highest of any file there, finished or not, and of the catalog (E1).
// A catalog that cannot be used does not matter: what is there has its number.
func NextNumber(fsys durable.Reader) (int, error) {
	highest := -1
	files, err := fsys.ReadDir(".")
	if err != nil {
		return 0, fmt.Errorf("looking for the highest bundle: %w", err)
	}
	for _, f := range files {
		if n, _, ok := cutNumber(f.Name()); ok {
			highest = max(highest, n)
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
				highest = max(highest, entry.Number)
			}
		}
	}
	if highest >= MaxNumber {
		return 0, fmt.Errorf("bundle %s has the highest number possible", FileName(highest))
	}
	return highest + 1, nil
}

// clip shortens hostile text to something a terminal can bear.
func clip(s string) string {
	const most = 80
	return s[:min(len(s), most)]
}
