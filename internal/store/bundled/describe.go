package bundled

import (
	"bufio"
	"cmp"
	"fmt"
	"iter"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
)

// describe writes what lies beside a finished bundle: its manifest, then its
// line in the catalog, so that a line always names a manifest that is whole.
func (s *Store) describe(number int, sum bundle.Summary, members iter.Seq[bundle.Member]) error {
	name := bundle.ManifestName(number, sum.Min, sum.Max)
	if err := s.writeManifest(name, number, members); err != nil {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	return bundle.AppendCatalog(s.cfg.Folder, bundle.CatalogEntry{Number: number, Manifest: name, Summary: sum})
}

// writeManifest makes the file in one step, without holding it in memory.
func (s *Store) writeManifest(name string, number int, members iter.Seq[bundle.Member]) error {
	temp := durable.TempName(".")
	f, err := s.cfg.Folder.Create(temp)
	if err != nil {
		return err
	}
	buf := bufio.NewWriterSize(f, 1<<16)
	var line []byte
	for m := range members {
		if line, err = bundle.AppendManifestLine(line[:0], bundle.ManifestEntry{Member: m, Number: number, URL: s.cfg.URL(m.ID, m.Checksum)}); err != nil {
			break
		}
		if _, err = buf.Write(line); err != nil {
			break
		}
	}
	if err == nil {
		err = buf.Flush()
	}
	if err == nil {
		err = f.Sync()
	}
	if err = cmp.Or(err, f.Close()); err == nil {
		err = s.cfg.Folder.Replace(temp, name)
	}
	if err != nil {
		_ = s.cfg.Folder.Remove(temp) // the error above is the one to tell
		return err
	}
	return s.cfg.Folder.SyncDir(".")
}
