// Package lists reads and writes the files beside bundles: a manifest for each, with a line
// per member, and the catalog of the folder, with a line per finished bundle. They have the
// fields of CloneCratesio v1.1.0, and some more ([ManifestEntry], [CatalogEntry]). All of
// them are hints: the bundles are the source of truth. An unusable line therefore costs
// only itself, and lines, counts and numbers are bounded.
//
// The manifest of bundle-NNNN.tar.zst is bundle-NNNN-{min}-to-{max}.manifest.jsonl, where
// min and max are the labels ([Label]) of the first and last crate name in byte order. The
// catalog is bundles.index.jsonl.
package lists

import (
	"fmt"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

// MaxLine bounds a line of a JSONL file, in bytes; real ones have fewer than 1,000.
const MaxLine = 64 << 10

// decode returns a decoder for the lines of a file: it decodes a line into a new L, and
// converts that with check.
func decode[L, T any](check func(L) (T, error)) func([]byte) (T, error) {
	return func(b []byte) (v T, err error) {
		var line L
		if err := json.Unmarshal(b, &line); err != nil {
			return v, err
		}
		return check(line)
	}
}

// appendLine appends a value as one line of JSON.
func appendLine(dst []byte, v any) ([]byte, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return dst, fmt.Errorf("encoding a line: %w", err)
	}
	return append(append(dst, b...), '\n'), nil
}

// baseName returns the last element of a path of any system: v1.1.0 writes paths relative
// to where it was started, with the separators of that system.
func baseName(p string) string { return p[strings.LastIndexAny(p, `/\`)+1:] }

// parseBundlePath returns the name in the path of a bundle. It ignores the folder, since
// bundles are beside the file that names them.
func parseBundlePath(p string) (bundle.Name, error) { return bundle.ParseFileName(baseName(p)) }

// optionalChecksum parses a checksum, or "".
func optionalChecksum(s string) (sum crate.Checksum, err error) {
	if s == "" {
		return sum, nil
	}
	return crate.ParseChecksum(s)
}

// inRange checks a number of a line.
func inRange(field string, n, most int64) error {
	if n < 0 || n > most {
		return fmt.Errorf("%s %d is not 0 to %d", field, n, most)
	}
	return nil
}
