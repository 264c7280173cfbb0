package mirror

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

// Reader is what planning needs of the catalog.
type Reader interface {
	Versions(ctx context.Context, name string) ([]catalog.Version, error)
	Holdings(ctx context.Context) iter.Seq2[catalog.Holding, error]
	Revision(ctx context.Context) (catalog.Revision, error)
	Taken(ctx context.Context) ([]catalog.Taken, error)
	WasRemoved(ctx context.Context, key crate.Key) (time.Time, error)
	Accepted(ctx context.Context, key crate.Key) (bool, error)
}

// Plan says how much there is to do.
type Plan struct {
	Crates    int64 // of the index
	Unchanged int64 // of these: complete, and their index file is as it was
	Versions  int64 // of the index under the run's filters
	Yanked    int64 // left out because they are yanked
	Held      int64 // present and verified by an earlier run
	HeldBytes int64 // of those
	Check     int64 // present, to be hashed first
	ToBundle  int64 // of these: loose, to be put into bundles
	Twice     int64 // of those held: loose as well as in a bundle
	Fetch     int64 // to be fetched
	Absent    int64 // not there, and with Config.HeldOnly left out
	Conflicts int64 // held, but the index names another checksum now, which is not accepted
	// Republished are held, but the index names another checksum now, which is
	// accepted.
	Republished int64
	Bad         int64 // entries of the index that cannot be used
	Violated    int64 // of those: for which different checksums are named

	Problems []error // what is wrong with the first of those, at most maxProblems

	// OldBundles are bundles of v1.1.0 that a run takes over before it plans: a
	// dry run, which does not, counts their crates as to be fetched.
	OldBundles int64
}

// maxProblems bounds Plan.Problems: more than a person reads.
const maxProblems = 1000

// What an item of the plan is about.
type task uint8

const (
	taskFetch    task = iota // not there
	taskCheck                // something is there: hash it, fetch if it is not the crate
	taskConflict             // held under another checksum: set the new bytes aside
	taskReplace              // held under another checksum: the new bytes take their place
)

// A sink is where planning leaves what it finds.
type sink interface {
	held(ctx context.Context, e *Entry, v *catalog.Version) error
	bad(ctx context.Context, g *Group, b *BadEntry) error
	// group begins a crate: row is what the catalog shall say when all its
	// items have succeeded, nil if that cannot be said; ch is what it shall say
	// now.
	group(ctx context.Context, row *catalog.Crate, ch *changes, items []item) error
	// vanished are crates that were complete and are no longer in the index.
	vanished(ctx context.Context, paths []string) error
}

// item is one thing to do.
type item struct {
	Entry
	task  task
	at    store.Placement // what taskCheck is to hash
	tried *tried          // in an earlier pass; nil: this is the first
}

// planner compares a source with the catalog and the store.
type planner struct {
	cfg     *Config
	catalog Reader
	sink    sink

	plan     Plan
	revision catalog.Revision // of the source
	mirrored catalog.Revision // that was mirrored last
	scope    Scope
	known    knownCrates
	gone     []string // paths of crates that a source of changes says are gone
	listing  store.Listing
	err      error         // of want, which cannot return one
	left     int64         // of Config.Limit
	looked   time.Duration // into the history of the index
}

// errLimit ends planning at Config.Limit.
var errLimit = errors.New("limit reached")

func (p *planner) run(ctx context.Context) (Plan, error) {
	if err := p.checkAge(ctx); err != nil {
		return p.plan, err
	}
	p.left = p.cfg.Limit
	if p.scope == Whole {
		next, stop := ahead(ctx, p.catalog.Holdings)
		defer stop()
		p.known.next = next
	}
	err := p.cfg.Source.Groups(ctx,
		func(path, blob string) bool { return p.want(ctx, path, blob) },
		func(g *Group) error { return p.group(ctx, g) })
	if errors.Is(err, errLimit) {
		return p.plan, p.err
	}
	if err = errors.Join(err, p.err); err != nil {
		return p.plan, err
	}
	if p.scope == Some && p.plan.Crates+p.plan.Bad == 0 && !p.cfg.AllowEmpty || p.scope == Whole && p.plan.Crates == 0 && !p.cfg.AcceptShrink {
		return p.plan, index.ErrEmpty
	}
	if p.scope != Whole {
		return p.plan, p.vanish(ctx, p.gone)
	}
	return p.plan, p.checkShrink(ctx)
}

// want decides, before a crate's index file is read, whether it must be: not if
// it has not changed since all of it was mirrored, and all of it still stands
// where it was put.
func (p *planner) want(ctx context.Context, indexPath, blob string) bool {
	p.cfg.Progress.planned.Add(1)
	if p.scope != Whole {
		return true
	}
	known, err := p.known.find(indexPath)
	if p.err = errors.Join(p.err, err); p.err != nil {
		return false
	}
	unchanged := blob != "" && known.Blob == blob && (known.Yanked || !p.cfg.IncludeYanked)
	if !unchanged || p.cfg.VerifyExisting || p.cfg.Limit > 0 {
		return true
	}
	held := known.Versions
	for i := range held {
		if v := &held[i]; p.selected(v) && !p.settled(v) {
			return true
		}
	}
	p.err = p.unchanged(ctx, held)
	return false
}

func (p *planner) selected(v *catalog.Version) bool {
	return v.Listed && (p.cfg.IncludeYanked || !v.Yanked)
}

func (p *planner) unchanged(ctx context.Context, held []catalog.Version) error {
	p.plan.Crates++
	p.plan.Unchanged++
	for i := range held {
		v := &held[i]
		switch {
		case p.selected(v):
			if err := p.held(ctx, &Entry{ID: v.ID, Checksum: v.Checksum, Yanked: v.Yanked}, v); err != nil {
				return err
			}
		case v.Listed:
			p.plan.Yanked++
		}
	}
	return nil
}

func (p *planner) held(ctx context.Context, e *Entry, v *catalog.Version) error {
	p.plan.Versions++
	p.plan.Held++
	p.plan.HeldBytes += v.Size
	if v.Loose && v.Bundle != "" {
		p.plan.Twice++
	}
	return p.sink.held(ctx, e, v)
}

// group plans a crate whose index file was read.
func (p *planner) group(ctx context.Context, g *Group) error {
	if g.Gone {
		p.gone = append(p.gone, g.Path)
		return nil
	}
	if g.Path != "" {
		p.plan.Crates++
	}
	if p.err != nil {
		return p.err
	}
	held, err := p.heldOf(ctx, g)
	if err != nil {
		return err
	}
	absent := p.plan.Absent
	ch := new(changes)
	var items []item
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
		it, err := p.classify(ctx, g, e, held, ch)
		if err != nil {
			return err
		}
		if it != nil {
			items = append(items, *it)
		}
	}
	for i := range g.Bad {
		p.plan.Bad++
		if len(p.plan.Problems) < maxProblems {
			p.plan.Problems = append(p.plan.Problems, g.Bad[i].Err)
		}
		if g.Bad[i].Violated {
			p.plan.Violated++
		}
		if err := p.sink.bad(ctx, g, &g.Bad[i]); err != nil {
			return err
		}
	}
	var row *catalog.Crate
	if g.Blob != "" && len(g.Bad) == 0 && g.Chosen == nil && p.plan.Absent == absent && err == nil { // all of it
		row = &catalog.Crate{Path: g.Path, Blob: g.Blob, Yanked: p.cfg.IncludeYanked}
	}
	if err := p.changed(ctx, g, held, ch); err != nil {
		return err
	}
	return errors.Join(p.sink.group(ctx, row, ch, items), err)
}

// wanted reports whether an entry is to be mirrored.
func (p *planner) wanted(g *Group, i int) bool {
	if g.Chosen != nil {
		return g.Chosen[i]
	}
	if g.Entries[i].Yanked && !p.cfg.IncludeYanked {
		p.plan.Yanked++
		return false
	}
	return true
}
