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

// Open opens the store for writing and brings the folder in order: unfinished
// bundles are taken up again, finished ones get the manifest and the catalog
// line that a kill kept from them (E9), and Config.Catalog is told every member
// that it may not know. The caller holds the lock of the folder.
//
// A bundle that is in a bucket was described, and what is in it told, by who put it
// there.
//
// A file that is not a bundle of this format is left alone, and named in a
// warning unless v1.1.0 has made it. Of a damaged one the whole members count;
// if it is unfinished they are put into another bundle and it is set aside.
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
	for _, e := range entries { // in the order of names, and so mostly of numbers
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

// readCatalog reads bundles.index.jsonl. Lines that cannot be used are as if
// they were not there.
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
