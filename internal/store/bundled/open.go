package bundled

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"strings"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle/lists"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/jsonl"
)

// Open opens the store for writing and repairs the folder: it resumes unfinished bundles,
// gives finished ones the manifest and list line that a kill prevented (E9), and records in
// Config.Catalog every member that it may not know. The caller holds the lock of the
// folder.
//
// A bundle in a bucket was described and recorded by the process that put it there.
//
// A file that is not a bundle of this format is left alone, with a warning unless v1.1.0
// made it. Of a damaged bundle, the complete members count; if it is unfinished, they are
// copied to another bundle and it is set aside.
func Open(ctx context.Context, cfg Config) (*Store, error) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	s := &Store{Loose: cfg.Loose, cfg: cfg, readers: newReaders(cfg.Folder), highest: -1}
	o := opening{Store: s, adoption: adoption{cfg.Folder, cfg.Catalog, cfg.Log}, known: cfg.Catalog.Bundles()}
	if err := o.run(ctx); err != nil {
		return nil, fmt.Errorf("opening bundles: %w", errors.Join(err, s.Close()))
	}
	return s, nil
}

// opening is the state of one Open.
type opening struct {
	*Store
	adoption
	known  map[string]bool
	files  map[string]bool                    // names in the folder
	listed map[bundle.Name]lists.CatalogEntry // in bundles.index.jsonl
}

func (o *opening) run(ctx context.Context) error {
	for name := range o.known {
		if n, err := bundle.ParseFileName(name); err == nil {
			o.highest = max(o.highest, n.Number)
		}
	}
	entries, err := o.cfg.Folder.ReadDir(".")
	if err != nil {
		return err
	}
	o.files = make(map[string]bool, len(entries))
	for _, e := range entries {
		o.files[e.Name()] = true
		if durable.IsTemp(e.Name()) {
			if err := o.cfg.Folder.Remove(e.Name()); err != nil {
				return err
			}
		}
	}
	if err := o.readCatalog(); err != nil {
		return err
	}
	for _, e := range entries { // ordered by name, and so mostly by number
		if err := context.Cause(ctx); err != nil {
			return err
		}
		name, unfinished := strings.CutSuffix(e.Name(), bundle.PartExt)
		named, err := bundle.ParseFileName(name)
		if err != nil || durable.IsUnchanging(e) {
			continue
		}
		if unfinished {
			err = o.resume(ctx, named)
		} else {
			err = o.check(ctx, named)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// readCatalog reads bundles.index.jsonl and ignores unusable lines.
func (o *opening) readCatalog() error {
	o.listed = map[bundle.Name]lists.CatalogEntry{}
	f, err := o.cfg.Folder.Open(lists.CatalogName)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	for e, err := range lists.ReadCatalog(f) {
		if errors.As(err, new(*jsonl.LineError)) {
			continue
		}
		if err != nil {
			return err
		}
		o.listed[e.Bundle] = e
	}
	return nil
}
