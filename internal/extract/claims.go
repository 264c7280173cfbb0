package extract

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
)

// claims are what the manifests beside bundles say is in them: a hint, unless
// there is nobody better to vouch.
type claims struct {
	folder durable.Reader
	log    *slog.Logger
	names  []string // in the folder
}

func (c *claims) list() error {
	entries, err := c.folder.ReadDir(".")
	if err != nil {
		return fmt.Errorf("looking for manifests: %w", err)
	}
	c.names = nil
	for _, e := range entries {
		c.names = append(c.names, e.Name())
	}
	return nil
}

// manifestExt ends the names of manifests, which start with that of their
// bundle.
const manifestExt = ".manifest.jsonl"

// manifests returns the names of the manifests beside a bundle. There is one,
// unless v1.1.0 wrote its bundle twice.
func (c *claims) manifests(bundleName string) (names []string) {
	prefix := strings.TrimSuffix(bundleName, bundle.Ext) + "-"
	for _, name := range c.names {
		if strings.HasPrefix(name, prefix) && strings.HasSuffix(name, manifestExt) {
			names = append(names, name)
		}
	}
	return names
}

// each visits every crate that the manifests of a bundle name. Lines that
// cannot be used cost themselves, and files that cannot be read the rest of
// themselves: whoever needed them is told that nobody vouches.
func (c *claims) each(bundleName string, visit func(bundle.ManifestEntry)) {
	left := bundle.MaxMembers
	for _, name := range c.manifests(bundleName) {
		if err := c.read(name, &left, visit); err != nil {
			c.log.Warn("a manifest cannot be read to its end", "manifest", name, "err", err)
		}
	}
}

// read visits at most left entries.
func (c *claims) read(name string, left *int, visit func(bundle.ManifestEntry)) error {
	f, err := c.folder.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	for e, err := range bundle.ReadManifest(f) {
		if line := (*bundle.LineError)(nil); errors.As(err, &line) {
			c.log.Warn("a line of a manifest cannot be used", "manifest", name, "line", line.Line, "err", line.Err)
			continue
		}
		if err != nil {
			return err
		}
		if *left--; *left < 0 {
			return bundle.ErrTooMany
		}
		visit(e)
	}
	return nil
}
