package mirror

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
)

// PruneConfig is a removal of what the index does not name any more, the one
// thing in this program that takes crates away.
type PruneConfig struct {
	Index   *index.Index
	Catalog interface {
		Revision(ctx context.Context) (catalog.Revision, error)
		Totals(ctx context.Context) (catalog.Totals, error)
		UnwantedPage(ctx context.Context, after crate.ID, yanked bool, limit int) ([]catalog.Version, error)
		Commit(ctx context.Context, b catalog.Batch) error
	}
	// Trash moves loose files out of the way, durably. If nil, nothing is moved
	// or recorded: a dry run.
	Trash        func(ids []crate.ID, date time.Time) error
	Yanked       bool // yanked versions go too
	AcceptShrink bool // also when more than index.MaxShrink percent of what is held would go
}

// Pruned is what has gone, or would.
type Pruned struct {
	Versions, Bytes int64
	Bundled         int64 // of these: their bytes stay in a bundle
}

// pruneBatch is how many versions go at a time.
const pruneBatch = 1024

// Prune removes the loose files of versions that the catalog calls unlisted and
// the index does not name: both must agree. It refuses, with nothing done, where
// it cannot be sure: when the index is not the one that was mirrored last, or not
// all of it can be read, or very much would go (C32). What lies in bundles stays
// there; its row stays too, unlisted.
func Prune(ctx context.Context, cfg PruneConfig, each func(*catalog.Version)) (p Pruned, err error) {
	if err := cfg.check(ctx); err != nil {
		return p, fmt.Errorf("nothing is removed: %w", err)
	}
	names := cfg.Index.NewLookup(ctx)
	defer func() { err = errors.Join(err, names.Close()) }()
	if err := cfg.checkExtent(ctx, names); err != nil {
		return p, fmt.Errorf("nothing is removed: %w", err)
	}
	for page, err := range cfg.pages(ctx, names) {
		if err != nil {
			return p, err
		}
		for i := range page {
			p.Versions++
			p.Bytes += page[i].Size
			if page[i].Bundle != "" {
				p.Bundled++
			}
			each(&page[i])
		}
		if err := cfg.remove(ctx, page); err != nil {
			return p, err
		}
	}
	return p, nil
}

// check makes sure that what the index does not name is not published.
func (cfg *PruneConfig) check(ctx context.Context) error {
	last, err := cfg.Catalog.Revision(ctx)
	if err != nil {
		return err
	}
	if last.Commit == "" || cfg.Index.Commit() != last.Commit {
		return fmt.Errorf("the index is at commit %q, mirrored last was %q: run sync first", cfg.Index.Commit(), last.Commit)
	}
	crates := 0
	for c, err := range cfg.Index.Crates(ctx, nil) {
		switch {
		case err != nil:
			return err
		case errors.Is(c.Err, index.ErrName): // nothing of it can be held
		case c.Err != nil:
			return fmt.Errorf("the index cannot be read in full: %s: %w", c.Path, c.Err)
		case len(c.Bad) > 0:
			return fmt.Errorf("the index cannot be read in full: %w", c.Bad[0])
		}
		crates++
	}
	if crates == 0 {
		return index.ErrEmpty
	}
	return nil
}

// checkExtent makes sure that not very much would go.
func (cfg *PruneConfig) checkExtent(ctx context.Context, names *index.Lookup) error {
	totals, err := cfg.Catalog.Totals(ctx)
	if err != nil {
		return err
	}
	var unwanted int64
	for page, err := range cfg.pages(ctx, names) {
		if err != nil {
			return err
		}
		unwanted += int64(len(page))
	}
	if cfg.AcceptShrink {
		return nil
	}
	return index.CheckShrink(unwanted, totals.Versions, "versions that are held would go", "look at them: prune without -yes and with -accept-shrink lists them")
}

// pages yields what is to go.
func (cfg *PruneConfig) pages(ctx context.Context, names *index.Lookup) iter.Seq2[[]catalog.Version, error] {
	return func(yield func([]catalog.Version, error) bool) {
		var after crate.ID
		for {
			page, err := cfg.Catalog.UnwantedPage(ctx, after, cfg.Yanked, pruneBatch)
			if err == nil && len(page) == 0 {
				return
			}
			if err == nil {
				after = page[len(page)-1].ID
				page, err = cfg.unnamed(ctx, names, page)
			}
			if !yield(page, err) || err != nil {
				return
			}
		}
	}
}

// unnamed returns those versions that the index does not name, or that are
// yanked in it, too.
func (cfg *PruneConfig) unnamed(ctx context.Context, names *index.Lookup, page []catalog.Version) (sure []catalog.Version, err error) {
	var c *index.Crate
	for _, v := range page {
		if c == nil || !strings.EqualFold(c.Path, crate.IndexPath(v.Name)) {
			if c, err = lookup(ctx, names, v.Name); err != nil {
				return nil, err
			}
		}
		i := slices.IndexFunc(c.Entries, func(e index.Entry) bool { return e.Version == v.Version })
		if i < 0 || c.Entries[i].Yanked && cfg.Yanked {
			sure = append(sure, v)
		}
	}
	return sure, nil
}

// lookup reads a crate of the index; one that is not there has no entries.
func lookup(ctx context.Context, names *index.Lookup, name string) (*index.Crate, error) {
	c, err := names.Crate(ctx, name)
	if errors.Is(err, fs.ErrNotExist) {
		return &index.Crate{File: index.File{Path: crate.IndexPath(name)}}, nil
	}
	if err == nil && (c.Err != nil || len(c.Bad) > 0) {
		err = fmt.Errorf("the index cannot be read in full: %s", c.Path)
	}
	return c, err
}

// remove throws files away, and then says so: what is cut off in between leaves
// rows without a file, which the next time go.
func (cfg *PruneConfig) remove(ctx context.Context, page []catalog.Version) error {
	if cfg.Trash == nil || len(page) == 0 {
		return nil
	}
	ids := make([]crate.ID, len(page))
	var batch catalog.Batch
	for i, v := range page {
		ids[i] = v.ID
		if v.Bundle == "" {
			batch.Dropped = append(batch.Dropped, v.Key())
			continue
		}
		v.Loose = false
		batch.Versions = append(batch.Versions, v)
	}
	if err := cfg.Trash(ids, time.Now()); err != nil {
		return err
	}
	return cfg.Catalog.Commit(ctx, batch)
}
