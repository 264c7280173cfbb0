package lists

import (
	"errors"
	"fmt"
	"iter"
	"strings"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/jsonl"
)

// Claims are the contents of bundles according to the manifests beside them: a hint, unless
// there is no better source.
type Claims struct {
	folder durable.Reader
	names  []string // of manifests
}

// FindClaims finds the manifests in a folder.
func FindClaims(folder durable.Reader) (*Claims, error) {
	entries, err := folder.ReadDir(".")
	if err != nil {
		return nil, fmt.Errorf("looking for manifests: %w", err)
	}
	c := &Claims{folder: folder}
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), manifestExt) {
			c.names = append(c.names, e.Name())
		}
	}
	return c, nil
}

// Bundles returns the names of the bundles that have manifests, whether or not the bundles
// exist; a name may occur twice.
func (c *Claims) Bundles() (names []string) {
	for _, name := range c.names {
		if of, _, ok := bundle.CutName(name); ok {
			names = append(names, of.String())
		}
	}
	return names
}

// Any reports whether the bundle of that name has a manifest.
func (c *Claims) Any(of string) bool { return len(c.Beside(of)) > 0 }

// Beside returns the names of the manifests of a bundle. There is one, unless v1.1.0 wrote
// its bundle twice.
func (c *Claims) Beside(of string) (names []string) {
	prefix := strings.TrimSuffix(of, bundle.Ext) + "-"
	for _, name := range c.names {
		if strings.HasPrefix(name, prefix) {
			names = append(names, name)
		}
	}
	return names
}

// Of yields every crate that the manifests of a bundle name, at most MaxMembers. An error
// says which manifest, or which line of one, is unusable; the sequence continues after it.
func (c *Claims) Of(of string) iter.Seq2[ManifestEntry, error] {
	return func(yield func(ManifestEntry, error) bool) {
		left := bundle.MaxMembers
		for _, name := range c.Beside(of) {
			if !c.read(name, &left, yield) {
				return
			}
		}
	}
}

// read yields at most left entries of one manifest. It reports whether the consumer wants
// more.
func (c *Claims) read(name string, left *int, yield func(ManifestEntry, error) bool) bool {
	fail := func(err error) bool { return yield(ManifestEntry{}, fmt.Errorf("manifest %s: %w", name, err)) }
	f, err := c.folder.Open(name)
	if err != nil {
		return fail(err)
	}
	defer f.Close()
	for e, err := range ReadManifest(f) {
		if line := (*jsonl.LineError)(nil); errors.As(err, &line) {
			if !fail(line) {
				return false
			}
			continue
		}
		if err != nil {
			return fail(err)
		}
		if *left--; *left < 0 {
			return fail(bundle.ErrTooMany)
		}
		if !yield(e, nil) {
			return false
		}
	}
	return true
}
