package bundled

import (
	"bufio"
	"io"
	"iter"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle/lists"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
)

// describe writes the files beside a finished bundle: its manifest, then its line in the
// list of bundles, so that a line always refers to a complete manifest.
func (s *Store) describe(named bundle.Name, sum bundle.Summary, members iter.Seq[bundle.Member]) error {
	name := lists.ManifestName(named, sum.Min, sum.Max)
	err := durable.FillFile(s.cfg.Folder, name, func(w io.Writer) error { return s.writeManifest(w, named, members) })
	if err != nil {
		return err
	}
	return lists.AppendCatalog(s.cfg.Folder, lists.CatalogEntry{Bundle: named, Manifest: name, Summary: sum})
}

// writeManifest writes the lines without holding them in memory.
func (s *Store) writeManifest(w io.Writer, named bundle.Name, members iter.Seq[bundle.Member]) (err error) {
	buf := bufio.NewWriterSize(w, 1<<16)
	var line []byte
	for m := range members {
		if line, err = lists.AppendManifestLine(line[:0], lists.ManifestEntry{Member: m, Bundle: named, URL: s.cfg.URL(m.ID, m.Checksum)}); err != nil {
			return err
		}
		if _, err = buf.Write(line); err != nil {
			return err
		}
	}
	return buf.Flush()
}
