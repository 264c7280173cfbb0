package plan

import (
	"context"
	"errors"
	"io/fs"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

// What to do for an entry depends on three things: the bytes that the index names, the
// bytes that the catalog records for the version, and what is in the store. The first two
// determine its standing, and the third its whereabouts; the table decisions has the rest.

// standing relates the bytes that an entry names to those in the catalog.
type standing uint8

const (
	unknown  standing = iota // no bytes of the version are held
	same                     // they are the version's
	accepted                 // the version has other bytes, which are replaced
	refused                  // the version has other bytes, which stay
)

// whereabouts is where the bytes that an entry names are stored.
type whereabouts uint8

const (
	nowhere   whereabouts = iota
	stray                 // a file without a row has the loose file's name
	unsettled             // in the place of a row, but to be hashed, or stored elsewhere too
	settled               // in the place of a row, and where it should be
)

// decisions maps standing and whereabouts to a task. Config.HeldOnly skips what would have
// to be downloaded.
var decisions = [...][4]Task{
	unknown:  {nowhere: Fetch, stray: Check, unsettled: Check, settled: Check},
	same:     {nowhere: Fetch, stray: Check, unsettled: Check, settled: Trust},
	accepted: {nowhere: Replace, stray: Replace, unsettled: Replace, settled: Replace},
	refused:  {nowhere: Conflict, stray: Conflict, unsettled: Conflict, settled: Conflict},
}

// decide sets the Task and At of an entry, and reports whether there is anything to do.
func (p *planner) decide(ctx context.Context, g *Group, e *Item, h *heldBytes, ch *Changes) (todo bool, err error) {
	as, v, err := p.compare(ctx, g, e, h, ch)
	if err != nil {
		return false, err
	}
	at, where := p.locate(e, v)
	e.Task, e.At = decisions[as][where], at
	if v != nil && v.Loose && !at.Loose && where != stray && at != (store.Placement{}) {
		ch.Unlinked = append(ch.Unlinked, e.ID)
	}
	if e.Task == Trust {
		v.settle(at)
		return false, p.held(ctx, e, v.Size)
	}
	if where == stray && e.Task == Check { // damaged, or missing in a catalog that was made from bundles
		e.At.Loose = true
	}
	if p.cfg.HeldOnly && e.Task != Conflict && e.At == (store.Placement{}) {
		p.totals.Absent++
		return false, nil
	}
	p.totals.add(e.Task)
	if e.Task == Check && !p.cfg.inPlace(e.At) && e.At.Bundle == "" {
		p.totals.ToBundle++
	}
	return true, nil
}

// compare relates the bytes that an entry names to the catalog, and returns their row, or
// nil if there is none.
func (p *planner) compare(ctx context.Context, g *Group, e *Item, h *heldBytes, ch *Changes) (standing, *heldVersion, error) {
	now, match := h.now, h.find(e.Checksum)
	switch {
	case now != nil && now.Checksum == e.Checksum:
	case now != nil && !now.VerifiedAt.IsZero():
		as, err := p.pinned(ctx, g, e, &now.Version, ch)
		return as, match, err
	case now != nil && !now.Loose && (match == nil || match.adopted()):
		// The version's bytes come from bundles and no index ever named them, so they do
		// not stand in the way of what this one names, whichever bundle was found first.
		h.supersede(match)
	case now != nil || match != nil:
		return accepted, match, nil
	}
	v := h.now
	if v == nil {
		return unknown, nil, nil
	}
	if !g.Whole { // a list does not know what an index has said
		e.Yanked, e.Unlisted = v.Yanked, !v.Listed && !v.VerifiedAt.IsZero()
	}
	if v.ID != e.ID { // the same bytes under another spelling are another file
		return unknown, nil, nil
	}
	return same, v, nil
}

// pinned decides whether the bytes of an entry replace verified ones.
func (p *planner) pinned(ctx context.Context, g *Group, e *Item, now *catalog.Version, ch *Changes) (standing, error) {
	why, err := p.accepts(ctx, g, e, now)
	if err != nil || why == "" {
		return refused, err
	}
	p.cfg.Log.Warn("published again with other bytes: they become the version, those that it had are kept", "crate", e.Name,
		"version", e.Version, "sha256", e.Checksum, "before", now.Checksum, "accepted_because", why)
	ch.Accepted = append(ch.Accepted, e.Key())
	return accepted, nil
}

// locate returns where the bytes of a row are stored; v is nil if there is no row.
func (p *planner) locate(e *Item, v *heldVersion) (store.Placement, whereabouts) {
	var at store.Placement
	if v != nil {
		at = p.surviving(&v.Version)
	}
	switch {
	case !at.Loose && p.occupied(e.ID):
		// Whatever is there (a folder, a file of the wrong size, one that an earlier
		// process left), the run looks at it when its turn comes.
		return at, stray
	case at == store.Placement{}:
		return at, nowhere
	case p.cfg.VerifyExisting || !p.cfg.inPlace(at):
		return at, unsettled
	}
	return at, settled
}

// occupied reports whether anything has the name of a loose file.
func (p *planner) occupied(id crate.ID) bool {
	_, err := p.listing.Stat(id)
	return !errors.Is(err, fs.ErrNotExist)
}

// settled reports whether the store still has all that the catalog records, as far as that
// is visible without reading it, and no work is left.
func (p *planner) settled(v *catalog.Version) bool {
	return p.listing.Holds(v.ID, v.Placement, v.Size) && p.cfg.inPlace(v.Placement)
}

// inPlace reports whether a crate is stored everywhere it should be. A crate that is only
// in the deep archive was moved there to save space.
func (cfg *Config) inPlace(at store.Placement) bool {
	if !cfg.Bundle || !at.Loose && at.Deep.Segment != "" {
		return true
	}
	return at.Bundle != "" && (at.Loose || !cfg.KeepLoose)
}

// surviving returns the part of a version's placement that the store still has.
func (p *planner) surviving(v *catalog.Version) (at store.Placement) {
	for _, place := range v.Places() {
		if p.listing.Holds(v.ID, place, v.Size) {
			at = at.With(place)
		}
	}
	return at
}
