// Package prune removes what the index no longer names; nothing else in this program does.
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

// Config configures a removal of what the index no longer names.
type Config struct {
	Index   Index
	Catalog Catalog
	// Trash durably moves loose files to the trash. If nil, nothing is moved or recorded: a
	// dry run.
	Trash        func(names []string, date time.Time) error
	Bundles      *Bundles // nil: members of bundles stay there
	Yanked       bool     // also remove yanked versions
	Superseded   bool     // also remove earlier bytes of versions that were published again
	AcceptShrink bool     // even if more than index.MaxShrink percent of what is held would be removed
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

// Pruned is what was removed, or would be.
type Pruned struct {
	Versions, Bytes int64
	Deep            int64     // versions only in the deep archive: only their rows are removed
	Bundled         int64     // versions that also stay in bundles
	Rewritten       []Rewrite // bundles
}

// pageSize is the number of versions that are removed at a time.
const pageSize = 1024

// Run removes what the catalog marks as unwanted and the index does not name: both must
// agree. It refuses, without doing anything, if it cannot be sure: if the index is not the
// one mirrored last, or not all of it can be read, or very much would be removed (C32). It
// calls each for what is removed.
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

// count counts an unwanted version, and calls each with it unless it stays.
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

// stays reports whether a version is in a bundle that is not rewritten.
func (p *Pruned) stays(v *catalog.Version) bool {
	return v.Bundle != "" && !slices.ContainsFunc(p.Rewritten, func(r Rewrite) bool { return r.Name == v.Bundle })
}

// check ensures that what the index does not name is really not published.
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

// survey ensures that not too much would be removed, and returns the number of unwanted
// bytes of each bundle.
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

// pages yields the unwanted versions.
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

// remove removes loose files, and then records that: an interruption in between leaves rows
// without a file, which the next run removes. For versions in the deep archive it only
// removes rows: a segment never changes, and what no row names is garbage for package
// repack.
func (cfg *Config) remove(ctx context.Context, page []catalog.Version, p *Pruned) error {
	if cfg.Trash == nil {
		return nil
	}
	var names []string
	var batch catalog.Batch
	for _, v := range page {
		rest := v.WithoutFile()
		if !p.stays(&v) { // otherwise it is held, and what is known of it stays true
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
