package mirror

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"log/slog"
	"path"
	"strings"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

// Reader is what planning needs of the catalog.
type Reader interface {
	Versions(ctx context.Context, name string) ([]catalog.Version, error)
	Crates(ctx context.Context) iter.Seq2[catalog.Crate, error]
	Revision(ctx context.Context) (catalog.Revision, error)
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
	Conflicts int64 // held, but the index names another checksum now
	Bad       int64 // entries of the index that cannot be used
}

// What an item of the plan is about.
type task uint8

const (
	taskFetch    task = iota // not there
	taskCheck                // something is there: hash it, fetch if it is not the crate
	taskConflict             // held under another checksum: set the new bytes aside
)

// A sink is where planning leaves what it finds.
type sink interface {
	held(ctx context.Context, e *Entry, v *catalog.Version) error
	bad(ctx context.Context, g *Group, b *BadEntry) error
	// group begins a crate: row is what the catalog shall say when all its
	// items have succeeded, nil if that cannot be said; marks are rows to
	// update now.
	group(ctx context.Context, row *catalog.Crate, marks []catalog.Version, items []item) error
	// vanished are crates that were complete and are no longer in the index.
	vanished(ctx context.Context, paths []string) error
}

// item is one thing to do.
type item struct {
	Entry
	task task
	at   store.Placement // what taskCheck is to hash
}

// planner compares a source with the catalog and the store.
type planner struct {
	cfg     *Config
	catalog Reader
	sink    sink

	plan    Plan
	whole   bool // the source says what is published, not just what is wanted
	known   knownCrates
	listing store.Listing
	err     error // of want, which cannot return one
	left    int64 // of Config.Limit
}

// errLimit ends planning at Config.Limit.
var errLimit = errors.New("limit reached")

func (p *planner) run(ctx context.Context) (Plan, error) {
	rev, whole := p.cfg.Source.Revision()
	if err := p.checkAge(ctx, rev); err != nil {
		return p.plan, err
	}
	p.whole = whole
	p.left = p.cfg.Limit
	next, stop := iter.Pull2(p.catalog.Crates(ctx))
	defer stop()
	p.known.next = next
	err := p.cfg.Source.Groups(ctx,
		func(path, blob string) bool { return p.want(ctx, path, blob) },
		func(g *Group) error { return p.group(ctx, g) })
	if errors.Is(err, errLimit) {
		return p.plan, p.err
	}
	if err = errors.Join(err, p.err); err != nil || !whole {
		return p.plan, err
	}
	if p.plan.Crates == 0 && !p.cfg.AcceptShrink {
		return p.plan, errEmpty
	}
	return p.plan, p.checkShrink(ctx)
}

var errEmpty = errors.New("there is no crate in the index: is it one, and is it complete? Accept an empty one with -accept-shrink")

// checkAge stops a run over an index that is older than the one mirrored last:
// a restored backup, or somebody who wants to hide what was published since.
func (p *planner) checkAge(ctx context.Context, rev catalog.Revision) error {
	last, err := p.catalog.Revision(ctx)
	if err != nil || p.cfg.AcceptShrink || rev.Commit == last.Commit || !rev.Time.Before(last.Time) || rev.Commit == "" {
		return err
	}
	return fmt.Errorf("the index went back in time: commit %s of %s, mirrored last was %s of %s; update the index, or accept it with -accept-shrink",
		rev.Commit, rev.Time.Format(time.RFC3339), last.Commit, last.Time.Format(time.RFC3339))
}

// maxShrink is the share of crates, in percent, that may vanish from an index
// between two runs. A real index loses a few a day; half a checkout loses half.
const maxShrink = 5

// checkShrink stops a run over an index that lost too much; what it lost, if
// that is accepted, is not missed again.
func (p *planner) checkShrink(ctx context.Context) error {
	if err := p.known.drain(); err != nil {
		return err
	}
	vanished := p.known.vanished
	if !p.cfg.AcceptShrink && len(vanished)*100 > p.known.total*maxShrink {
		return fmt.Errorf("%d of the %d crates that were mirrored are no longer in the index, more than %d %%: complete the index, or accept it with -accept-shrink",
			len(vanished), p.known.total, maxShrink)
	}
	if len(vanished) == 0 {
		return nil
	}
	return p.sink.vanished(ctx, vanished)
}

// want decides, before a crate's index file is read, whether it must be: not if
// it has not changed since all of it was mirrored, and all of it still stands
// where it was put.
func (p *planner) want(ctx context.Context, indexPath, blob string) bool {
	p.cfg.Progress.planned.Add(1)
	known, err := p.known.find(indexPath)
	if p.err = errors.Join(p.err, err); p.err != nil {
		return false
	}
	unchanged := blob != "" && known.Blob == blob && (known.Yanked || !p.cfg.IncludeYanked)
	if !unchanged || p.cfg.VerifyExisting || p.cfg.Limit > 0 {
		return true
	}
	held, err := p.catalog.Versions(ctx, path.Base(indexPath))
	if err != nil {
		p.err = err
		return false
	}
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

// settled reports whether the store still has all that the catalog says, as far
// as that can be seen without reading it, and nothing is to be done with it.
func (p *planner) settled(v *catalog.Version) bool {
	return p.listing.Holds(v.ID, placement(v), v.Size) && p.cfg.inPlace(placement(v))
}

// inPlace reports whether a crate that lies there lies wherever it should.
func (cfg *Config) inPlace(at store.Placement) bool {
	return !cfg.Bundle || at.Bundle != "" && (at.Loose || !cfg.KeepLoose)
}

// surviving returns what of a version's placement the store still has.
func (p *planner) surviving(v *catalog.Version) store.Placement {
	at := placement(v)
	if at.Loose && !p.listing.Holds(v.ID, store.Placement{Loose: true}, v.Size) {
		at.Loose = false
	}
	if at.Bundle != "" && !p.listing.Holds(v.ID, inBundle(at), v.Size) {
		at = store.Placement{Loose: at.Loose}
	}
	return at
}

// inBundle leaves the bundle's part of a placement alone.
func inBundle(at store.Placement) store.Placement {
	at.Loose = false
	return at
}

// placement is where the catalog says that a version lies.
func placement(v *catalog.Version) store.Placement {
	return store.Placement{Loose: v.Loose, Bundle: v.Bundle, Offset: v.Offset, FrameSize: v.Length}
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
	p.plan.Crates++
	if p.err != nil {
		return p.err
	}
	held, err := p.heldOf(ctx, g)
	if err != nil {
		return err
	}
	complete := g.Blob != "" && len(g.Bad) == 0
	var items []item
	for i := range g.Entries {
		e := &g.Entries[i]
		if e.Yanked && !p.cfg.IncludeYanked {
			p.plan.Yanked++
			continue
		}
		if p.cfg.Limit > 0 && p.left == 0 {
			complete, err = false, errLimit
			break
		}
		p.left--
		it, err := p.classify(ctx, e, held)
		if err != nil {
			return err
		}
		if it != nil {
			items = append(items, *it)
		}
	}
	for i := range g.Bad {
		p.plan.Bad++
		if err := p.sink.bad(ctx, g, &g.Bad[i]); err != nil {
			return err
		}
	}
	var row *catalog.Crate
	if complete {
		row = &catalog.Crate{Path: g.Path, Blob: g.Blob, Yanked: p.cfg.IncludeYanked}
	}
	return errors.Join(p.sink.group(ctx, row, p.marks(g, held), items), err)
}

// heldVersion is a row of the catalog, changed if it does not say any more what
// is so.
type heldVersion struct {
	catalog.Version
	changed bool
}

func (p *planner) heldOf(ctx context.Context, g *Group) (map[crate.ID]*heldVersion, error) {
	rows, err := p.catalog.Versions(ctx, path.Base(g.Path))
	if err != nil {
		return nil, err
	}
	held := make(map[crate.ID]*heldVersion, len(rows))
	for i := range rows {
		held[pinKey(rows[i].ID)] = &heldVersion{Version: rows[i]}
	}
	return held, nil
}

// pinKey is what a version is pinned under: crates.io tells no names apart that
// differ in case alone, so one that comes back in another case is the same.
func pinKey(id crate.ID) crate.ID {
	return crate.ID{Name: strings.ToLower(id.Name), Version: id.Version}
}

// classify says what must be done for an entry; nil means nothing.
func (p *planner) classify(ctx context.Context, e *Entry, held map[crate.ID]*heldVersion) (*item, error) {
	v := held[pinKey(e.ID)]
	if v != nil && v.Checksum != e.Checksum {
		if !v.VerifiedAt.IsZero() {
			p.plan.Versions++
			p.plan.Conflicts++
			return &item{Entry: *e, task: taskConflict}, nil
		}
		p.cfg.Log.Warn("a bundle holds something else under this name than the index names; it does not count",
			"crate", e.Name, "version", e.Version, "bundle", v.Bundle, "offset", v.Offset)
		delete(held, e.ID)
		v = nil
	}
	if v != nil && !p.whole {
		e.Yanked = v.Yanked // a list does not know
	}
	if v != nil && v.ID != e.ID {
		v = nil // the same bytes under another spelling are another file
	}
	var at store.Placement
	if v != nil {
		at = p.surviving(&v.Version)
	}
	if at != (store.Placement{}) && !p.cfg.VerifyExisting && p.cfg.inPlace(at) {
		v.settle(at)
		return nil, p.held(ctx, e, &v.Version)
	}
	p.plan.Versions++
	if at == (store.Placement{}) {
		if _, err := p.listing.Stat(e.ID); errors.Is(err, fs.ErrNotExist) {
			p.plan.Fetch++
			return &item{Entry: *e, task: taskFetch}, nil
		}
		// Whatever stands there (a folder, a file of the wrong size, one that an
		// earlier process left) is looked at when its turn comes.
		at.Loose = true
	}
	p.plan.Check++
	if p.cfg.Bundle && at.Bundle == "" {
		p.plan.ToBundle++
	}
	return &item{Entry: *e, task: taskCheck, at: at}, nil
}

// settle notes where a version is, now that the index vouches for it.
func (v *heldVersion) settle(at store.Placement) {
	if at != placement(&v.Version) {
		v.Loose, v.Bundle, v.Offset, v.Length = at.Loose, at.Bundle, at.Offset, at.FrameSize
		v.changed = true
	}
	if v.VerifiedAt.IsZero() { // hashed when it was adopted, compared now
		v.VerifiedAt = time.Now()
		v.changed = true
	}
}

// marks returns the rows of a crate that must be written anew, because of where
// it is or because of what the index says: yanked or not, listed or gone from
// it.
func (p *planner) marks(g *Group, held map[crate.ID]*heldVersion) (changed []catalog.Version) {
	if p.whole && len(g.Entries) > 0 {
		p.flag(g, held)
	}
	for _, v := range held {
		if v.changed {
			changed = append(changed, v.Version)
		}
	}
	return changed
}

// flag compares the rows of a crate with what the index says of each.
func (p *planner) flag(g *Group, held map[crate.ID]*heldVersion) {
	seen := make(map[crate.ID]bool, len(g.Entries))
	for i := range g.Entries {
		e := &g.Entries[i]
		key := pinKey(e.ID)
		seen[key] = true
		if v := held[key]; v != nil && (v.Yanked != e.Yanked || !v.Listed) {
			v.Yanked, v.Listed, v.changed = e.Yanked, true, true
		}
	}
	for i := range g.Bad {
		seen[pinKey(g.Bad[i].ID)] = true // a line that cannot be read does not unlist
	}
	for id, v := range held {
		if !seen[id] && v.Listed {
			v.Listed, v.changed = false, true
		}
	}
}

// knownCrates finds crates in the catalog's sorted sequence; it is asked in the
// same order, so that one pass serves all. What it passes over has vanished.
type knownCrates struct {
	next     func() (catalog.Crate, error, bool)
	current  catalog.Crate // not looked at yet, unless its Path is empty
	ended    bool
	total    int
	vanished []string // paths
}

func (k *knownCrates) find(path string) (catalog.Crate, error) {
	for !k.ended && k.current.Path < path {
		if err := k.advance(); err != nil {
			return catalog.Crate{}, err
		}
	}
	if k.ended || k.current.Path != path {
		return catalog.Crate{}, nil
	}
	found := k.current
	k.current = catalog.Crate{}
	return found, nil
}

func (k *knownCrates) advance() error {
	if k.current.Path != "" {
		k.vanished = append(k.vanished, k.current.Path)
	}
	cr, err, ok := k.next()
	if err != nil {
		return err
	}
	k.current, k.ended = cr, !ok
	if ok {
		k.total++
	}
	return nil
}

// drain passes over the rest.
func (k *knownCrates) drain() error {
	for !k.ended {
		if err := k.advance(); err != nil {
			return err
		}
	}
	return nil
}

// Held is what a dry run compares with; a nil field holds nothing.
type Held struct {
	Catalog Reader
	Store   store.Lister
}

// DryRun plans and does nothing: it writes no file and opens no connection.
func DryRun(ctx context.Context, cfg Config, held Held) (Plan, error) {
	cfg = cfg.withDefaults()
	p := planner{cfg: &cfg, sink: nowhere{cfg.Log}, catalog: emptyCatalog{}, listing: emptyListing{}}
	if held.Catalog != nil {
		p.catalog = held.Catalog
	}
	if held.Store != nil {
		p.listing = held.Store.NewListing()
	}
	plan, err := p.run(ctx)
	if err != nil {
		return plan, fmt.Errorf("planning: %w", err)
	}
	return plan, nil
}

type emptyCatalog struct{}

func (emptyCatalog) Versions(context.Context, string) ([]catalog.Version, error) { return nil, nil }

func (emptyCatalog) Revision(context.Context) (catalog.Revision, error) {
	return catalog.Revision{}, nil
}

func (emptyCatalog) Crates(context.Context) iter.Seq2[catalog.Crate, error] {
	return func(func(catalog.Crate, error) bool) {}
}

type emptyListing struct{}

func (emptyListing) Stat(crate.ID) (int64, error) { return 0, fs.ErrNotExist }

func (emptyListing) Holds(crate.ID, store.Placement, int64) bool { return false }

// nowhere is the sink of a dry run: it reports bad entries and forgets the rest.
type nowhere struct{ log *slog.Logger }

func (nowhere) held(context.Context, *Entry, *catalog.Version) error { return nil }

func (n nowhere) bad(_ context.Context, g *Group, b *BadEntry) error {
	n.log.Warn("entry cannot be mirrored", "index", g.Path, "err", b.Err)
	return nil
}

func (nowhere) group(context.Context, *catalog.Crate, []catalog.Version, []item) error { return nil }

func (nowhere) vanished(context.Context, []string) error { return nil }

// plan plans into a spool.
func (r *run) plan(ctx context.Context) (*spool, error) {
	start := time.Now()
	s, err := newSpool(r.cfg.State)
	if err != nil {
		return nil, fmt.Errorf("planning: %w", err)
	}
	p := planner{cfg: &r.cfg, catalog: r.cfg.Catalog, listing: r.cfg.Store.NewListing(), sink: &planSink{r, s}}
	plan, err := p.run(ctx)
	if err == nil {
		err = s.finish()
	}
	if err != nil {
		s.remove()
		return nil, fmt.Errorf("planning: %w", err)
	}
	if rev, _ := r.cfg.Source.Revision(); rev.Commit != "" {
		if err := r.send(ctx, result{outcome: bookkeeping, revision: &rev}); err != nil {
			s.remove()
			return nil, err
		}
	}
	r.cfg.Progress.setPlan(plan)
	r.cfg.Log.Info("planned", "crates", plan.Crates, "unchanged", plan.Unchanged, "versions", plan.Versions,
		"held", plan.Held, "to_check", plan.Check, "to_bundle", plan.ToBundle, "to_fetch", plan.Fetch, "conflicts", plan.Conflicts,
		"bad_entries", plan.Bad, "yanked_left_out", plan.Yanked, "took", time.Since(start).Round(time.Millisecond))
	return s, nil
}

// planSink sends what needs no work to the committer and the rest to the spool.
type planSink struct {
	run   *run
	spool *spool
}

func (s *planSink) held(ctx context.Context, e *Entry, v *catalog.Version) error {
	now := time.Now()
	return s.run.send(ctx, result{entry: *e, outcome: existing, size: v.Size, at: placement(v), started: now, finished: now})
}

func (s *planSink) bad(ctx context.Context, _ *Group, b *BadEntry) error {
	now := time.Now()
	return s.run.send(ctx, result{entry: Entry{ID: b.ID}, outcome: badEntry, err: b.Err, started: now, finished: now})
}

func (s *planSink) group(ctx context.Context, row *catalog.Crate, marks []catalog.Version, items []item) error {
	if len(marks) > 0 || row != nil && len(items) == 0 {
		res := result{outcome: bookkeeping, marks: marks}
		if len(items) == 0 {
			res.done = row
		}
		if err := s.run.send(ctx, res); err != nil {
			return err
		}
	}
	return s.spool.add(row, items)
}

func (s *planSink) vanished(ctx context.Context, paths []string) error {
	return s.run.send(ctx, result{outcome: bookkeeping, vanished: paths})
}
