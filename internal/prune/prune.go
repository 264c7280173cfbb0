// Package prune removes what the index does not name any more; nothing else in this
// program does.
package prune

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"slices"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
)

// Config is a removal of what the index does not name any more.
type Config struct {
	Index   Index
	Catalog Catalog
	// Trash moves loose files out of the way, durably. If nil, nothing is moved
	// or recorded: a dry run.
	Trash        func(names []string, date time.Time) error
	Bundles      *Bundles // nil: what is in bundles stays there
	Yanked       bool     // yanked versions go too
	Superseded   bool     // bytes that versions had before they were published again go too
	AcceptShrink bool     // also when more than index.MaxShrink percent of what is held would go
	Log          *slog.Logger
}

// Index is an [index.Index].
type Index interface {
	Commit() string
	Crates(ctx context.Context, known func(index.File) bool) iter.Seq2[*index.Crate, error]
	NewLookup(ctx context.Context) *index.Lookup
}

// Catalog is a [catalog.Catalog].
type Catalog interface {
	Revision(ctx context.Context) (catalog.Revision, error)
	Totals(ctx context.Context) (catalog.Totals, error)
	UnwantedPage(ctx context.Context, after crate.Key, u catalog.Unwanted, limit int) ([]catalog.Version, error)
	Bundles(ctx context.Context) ([]catalog.Bundle, error)
	BundledBytes(ctx context.Context) (map[string]int64, error)
	InBundle(ctx context.Context, bundle string) iter.Seq2[catalog.Version, error]
	Commit(ctx context.Context, b catalog.Batch) error
}

// Pruned is what has gone, or would.
type Pruned struct {
	Versions, Bytes int64
	Deep            int64     // versions that are in the deep archive alone: their rows go
	Bundled         int64     // versions that stay in bundles, too
	Rewritten       []Rewrite // bundles
}

// pageSize is how many versions go at a time.
const pageSize = 1024

// Run takes away what the catalog calls unwanted and the index does not name: both
// must agree. It refuses, with nothing done, where it cannot be sure: when the
// index is not the one that was mirrored last, or not all of it can be read, or
// very much would go (C32). Each receives what goes.
func Run(ctx context.Context, cfg Config, each func(*catalog.Version)) (p Pruned, err error) {
	if err := cfg.check(ctx); err != nil {
		return p, fmt.Errorf("nothing is removed: %w", err)
	}
	j := &judge{names: cfg.Index.NewLookup(ctx), unwanted: catalog.Unwanted{Yanked: cfg.Yanked, Superseded: cfg.Superseded, Bundled: true, Packed: true}}
	defer func() { err = errors.Join(err, j.names.Close()) }()
	found, err := cfg.survey(ctx, j)
	if err != nil {
		return p, fmt.Errorf("nothing is removed: %w", err)
	}
	if p.Rewritten, err = cfg.plan(ctx, found); err != nil {
		return p, fmt.Errorf("nothing is removed: %w", err)
	}
	for page, err := range cfg.pages(ctx, j) {
		if err != nil {
			return p, err
		}
		for i := range page {
			p.count(&page[i], each)
		}
		if err := cfg.remove(ctx, page, &p); err != nil {
			return p, err
		}
	}
	if cfg.Trash == nil || len(p.Rewritten) == 0 {
		return p, nil
	}
	return p, cfg.rewrite(ctx, j, p.Rewritten)
}

// count counts a version that is unwanted, and tells each of it unless it stays.
func (p *Pruned) count(v *catalog.Version, each func(*catalog.Version)) {
	rewritten := v.Bundle != "" && !p.stays(v)
	switch {
	case v.Loose || rewritten:
		p.Versions++
		p.Bytes += v.Size
		each(v)
	case v.Bundle == "":
		p.Deep++
		each(v)
	}
	if p.stays(v) {
		p.Bundled++
	}
}

// stays reports whether a version is in a bundle that is not written again.
func (p *Pruned) stays(v *catalog.Version) bool {
	return v.Bundle != "" && !slices.ContainsFunc(p.Rewritten, func(r Rewrite) bool { return r.Name == v.Bundle })
}

// check makes sure that what the index does not name is not published.
func (cfg *Config) check(ctx context.Context) error {
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

// survey makes sure that not very much would go, and returns how many bytes of
// each bundle are unwanted.
func (cfg *Config) survey(ctx context.Context, j *judge) (bundled map[string]int64, err error) {
	totals, err := cfg.Catalog.Totals(ctx)
	if err != nil {
		return nil, err
	}
	var unwanted int64
	bundled = map[string]int64{}
	for page, err := range cfg.pages(ctx, j) {
		if err != nil {
			return nil, err
		}
		for _, v := range page {
			if v.Bundle != "" {
				bundled[v.Bundle] += v.FrameSize
			}
			if v.Loose || v.Bundle == "" || cfg.Bundles != nil {
				unwanted++
			}
		}
	}
	if cfg.AcceptShrink {
		return bundled, nil
	}
	return bundled, index.CheckShrink(unwanted, totals.Versions, "versions that are held would go", "look at them: prune without -yes and with -accept-shrink lists them")
}

// pages yields what is unwanted.
func (cfg *Config) pages(ctx context.Context, j *judge) iter.Seq2[[]catalog.Version, error] {
	return func(yield func([]catalog.Version, error) bool) {
		var after crate.Key
		for {
			page, err := cfg.Catalog.UnwantedPage(ctx, after, j.unwanted, pageSize)
			if err == nil && len(page) == 0 {
				return
			}
			if err == nil {
				after = page[len(page)-1].Key()
				page, err = j.unnamed(ctx, page)
			}
			if !yield(page, err) || err != nil {
				return
			}
		}
	}
}

// remove throws loose files away, and then says so: what is cut off in between
// leaves rows without a file, which the next time go. Of what is in the deep archive
// the rows go alone: a segment is never written to again, and what no row names of it
// is garbage to package repack.
func (cfg *Config) remove(ctx context.Context, page []catalog.Version, p *Pruned) error {
	if cfg.Trash == nil {
		return nil
	}
	var names []string
	var batch catalog.Batch
	for _, v := range page {
		rest := v.WithoutFile()
		if !p.stays(&v) { // otherwise it is held, and all that is known of it is true
			rest = v.InBundle()
		}
		if rest == v.Placement {
			continue
		}
		if v.Loose {
			names = append(names, v.Placement.LoosePath(v.ID))
		}
		if rest.IsZero() {
			batch.Dropped = append(batch.Dropped, v.Key())
			continue
		}
		v.Placement = rest
		batch.Versions = append(batch.Versions, v)
	}
	if len(batch.Dropped)+len(batch.Versions) == 0 {
		return nil
	}
	if len(names) > 0 {
		if err := cfg.Trash(names, time.Now()); err != nil {
			return err
		}
	}
	return cfg.Catalog.Commit(ctx, batch)
}
