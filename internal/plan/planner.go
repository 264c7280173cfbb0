package plan

import (
	"context"
	"errors"
	"iter"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

// planner compares a source with the catalog and the store.
type planner struct {
	cfg     *Config
	catalog Catalog
	sink    Sink

	totals   Totals
	revision catalog.Revision // of the source
	mirrored catalog.Revision // mirrored last
	scope    Scope
	known    knownCrates
	same     []catalog.Holding // of crates that are unchanged if their file is the same, ordered by path
	gone     []string          // paths of crates that a source of changes reports as gone
	listing  store.Listing
	err      error         // from want, which cannot return an error
	left     int64         // entries left of Config.Limit
	others   int64         // crates of other shards
	looked   time.Duration // time spent on the history of the index
}

// errLimit ends planning at Config.Limit.
var errLimit = errors.New("limit reached")

func (p *planner) run(ctx context.Context) (Totals, error) {
	if err := p.checkAge(ctx); err != nil {
		return p.totals, err
	}
	p.left = p.cfg.Limit
	if p.scope == Whole {
		sums, err := p.sums(ctx)
		if err != nil {
			return p.totals, err
		}
		next, stop := ahead(ctx, func(ctx context.Context) iter.Seq2[catalog.Holding, error] { return p.catalog.Holdings(ctx, sums) })
		defer stop()
		p.known.next, p.known.shard = next, p.cfg.Shard
	}
	err := p.cfg.groups(ctx, &p.others,
		func(path, blob string) (bool, string) { return p.want(ctx, path, blob) },
		func(g *Group) error { return p.group(ctx, g) })
	if errors.Is(err, errLimit) {
		return p.totals, p.err
	}
	if err = errors.Join(err, p.err); err != nil {
		return p.totals, err
	}
	if seen := p.totals.Crates + p.others; p.scope == Some && seen+p.totals.Bad == 0 && !p.cfg.AllowEmpty || p.scope == Whole && seen == 0 && !p.cfg.AcceptShrink {
		return p.totals, index.ErrEmpty
	}
	if p.scope != Whole {
		return p.totals, p.vanish(ctx, p.gone)
	}
	return p.totals, p.checkShrink(ctx)
}

// sums reports whether unchanged crates need not be looked at version by version if they are
// in bundles and segments alone: the sink is not told of each version, each is where it
// should be, and every bundle and segment is as long as it must be.
func (p *planner) sums(ctx context.Context) (bool, error) {
	if p.cfg.Existed == nil || p.cfg.Bundle && p.cfg.KeepLoose {
		return false, nil
	}
	for end, err := range p.catalog.Reaches(ctx) {
		if err != nil {
			return false, err
		}
		if !p.listing.Holds(crate.ID{}, end, 0) {
			p.totals.Short = true
			return false, nil
		}
	}
	return true, nil
}

// want decides from a crate's path and blob id whether its index file must be read. It need
// not be if the file is unchanged since all of it was mirrored, and all of it is still in
// place. If only reading can tell that the file is unchanged, what is known of the crate
// waits for its group.
func (p *planner) want(ctx context.Context, indexPath, blob string) (read bool, blobKnown string) {
	p.cfg.Planned.Add(1)
	if p.scope != Whole {
		return true, ""
	}
	known, err := p.known.find(indexPath)
	if p.err = errors.Join(p.err, err); p.err != nil {
		return false, ""
	}
	switch {
	case known.Blob == "" || blob != "" && known.Blob != blob || !p.complete(&known):
		return true, ""
	case blob == "":
		p.same = append(p.same, known)
		return true, known.Blob
	}
	p.err = p.unchanged(ctx, &known)
	return false, ""
}

// complete reports whether a crate has no work if its index file is the one with which it
// was mirrored.
func (p *planner) complete(known *catalog.Holding) bool {
	if !known.Yanked && p.cfg.IncludeYanked || p.cfg.VerifyExisting || p.cfg.Limit > 0 {
		return false
	}
	for i := range known.Versions {
		if v := &known.Versions[i]; p.selected(v) && !p.settled(v) {
			return false
		}
	}
	return true
}

// waiting removes and returns what waits for the group of a crate.
func (p *planner) waiting(path string) (known catalog.Holding) {
	for len(p.same) > 0 && p.same[0].Path <= path {
		if p.same[0].Path == path {
			known = p.same[0]
		}
		p.same = p.same[1:]
	}
	return known
}

func (p *planner) selected(v *catalog.Version) bool {
	return v.Listed && (p.cfg.IncludeYanked || !v.Yanked)
}

func (p *planner) unchanged(ctx context.Context, known *catalog.Holding) error {
	p.totals.Crates++
	p.totals.Unchanged++
	if known.Sum != nil {
		p.summed(known.Sum)
		return nil
	}
	for i := range known.Versions {
		v := &known.Versions[i]
		switch {
		case p.selected(v):
			if err := p.held(ctx, &Item{ID: v.ID, Checksum: v.Checksum, Yanked: v.Yanked, At: v.Placement}, v.Size); err != nil {
				return err
			}
		case v.Listed:
			p.totals.Yanked++
		}
	}
	return nil
}

// summed counts what held does for each version.
func (p *planner) summed(sum *catalog.Sum) {
	versions, bytes := sum.Versions, sum.Bytes
	if p.cfg.IncludeYanked {
		versions, bytes = versions+sum.Yanked, bytes+sum.YankedBytes
	} else {
		p.totals.Yanked += sum.Yanked
	}
	p.totals.Versions += versions
	p.totals.Held += versions
	p.totals.HeldBytes += bytes
	p.cfg.Existed.Add(versions)
}

func (p *planner) held(ctx context.Context, it *Item, size int64) error {
	p.totals.Versions++
	p.totals.Held++
	p.totals.HeldBytes += size
	if it.At.Loose && it.At.Bundle != "" {
		p.totals.Twice++
	}
	if p.cfg.Existed != nil {
		p.cfg.Existed.Add(1)
		return nil
	}
	return p.sink.Held(ctx, it, size)
}

// group plans a crate whose index file was read.
func (p *planner) group(ctx context.Context, g *Group) error {
	if g.Gone {
		p.gone = append(p.gone, g.Path)
		return nil
	}
	if p.err != nil {
		return p.err
	}
	was := p.waiting(g.Path)
	if g.Same {
		return p.unchanged(ctx, &was)
	}
	if g.Path != "" {
		p.totals.Crates++
	}
	held, err := p.heldOf(ctx, g)
	if err != nil {
		return err
	}
	absent := p.totals.Absent
	ch := new(Changes)
	var items []Item
	for i := range g.Entries {
		e := &g.Entries[i]
		if !p.wanted(g, i) {
			continue
		}
		if p.cfg.Limit > 0 && p.left == 0 {
			err = errLimit
			break
		}
		p.left--
		todo, err := p.decide(ctx, g, e, held.of(e.ID), ch)
		if err != nil {
			return err
		}
		if todo {
			items = append(items, *e)
		}
	}
	for i := range g.Bad {
		p.totals.Bad++
		if len(p.totals.Problems) < maxProblems {
			p.totals.Problems = append(p.totals.Problems, g.Bad[i].Err)
		}
		if g.Bad[i].Violated {
			p.totals.Violated++
		}
		if err := p.sink.Bad(ctx, &g.Bad[i]); err != nil {
			return err
		}
	}
	var row *catalog.Crate
	if g.Blob != "" && len(g.Bad) == 0 && g.Chosen == nil && p.totals.Absent == absent && err == nil { // all of it
		row = &catalog.Crate{Path: g.Path, Blob: g.Blob, Yanked: p.cfg.IncludeYanked}
	}
	if err := p.changed(ctx, g, held, ch); err != nil {
		return err
	}
	return errors.Join(p.sink.Group(ctx, row, ch, items), err)
}

// wanted reports whether to mirror an entry.
func (p *planner) wanted(g *Group, i int) bool {
	if g.Chosen != nil {
		return g.Chosen[i]
	}
	if g.Entries[i].Yanked && !p.cfg.IncludeYanked {
		p.totals.Yanked++
		return false
	}
	return true
}
