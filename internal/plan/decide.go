package plan

import (
	"context"
	"errors"
	"io/fs"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

// What to do for an entry depends on three things: the bytes that the index names, those
// that the catalog records for the version, and what is in the store. The first two make
// a standing, the third a whereabouts, and decisions the rest.

// standing is what the catalog says of the bytes that an entry names.
type standing uint8

const (
	unknown  standing = iota // nothing is held of the version
	same                     // they are the version's
	accepted                 // the version has others, which give way to them
	refused                  // the version has others, which stay
)

// whereabouts is where the bytes that an entry names are stored.
type whereabouts uint8

const (
	nowhere   whereabouts = iota
	stray                 // there is a file under the loose file's name without a row
	unsettled             // where a row says, but it must be hashed, or put elsewhere too
	settled               // where a row says, and where it should be
)

// decisions are what to do. With Config.HeldOnly, what would have to be fetched is
// left out.
var decisions = [...][4]Task{
	unknown:  {nowhere: Fetch, stray: Check, unsettled: Check, settled: Check},
	same:     {nowhere: Fetch, stray: Check, unsettled: Check, settled: Trust},
	accepted: {nowhere: Replace, stray: Replace, unsettled: Replace, settled: Replace},
	refused:  {nowhere: Conflict, stray: Conflict, unsettled: Conflict, settled: Conflict},
}

// decide says what must be done for an entry, in its Task and At, and whether
// anything is.
func (p *planner) decide(ctx context.Context, g *Group, e *Item, h *heldBytes, ch *Changes) (todo bool, err error) {
	as, v, err := p.compare(ctx, g, e, h, ch)
	if err != nil {
		return false, err
	}
	at, where := p.locate(e, v)
	e.Task, e.At = decisions[as][where], at
	if e.Task == Trust {
		v.settle(at)
		return false, p.held(ctx, e, v.Size)
	}
	if where == stray && e.Task == Check { // damaged, or not in a catalog that was made from bundles
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

// compare says what the catalog has of the bytes that an entry names, and in which
// row; nil: in none.
func (p *planner) compare(ctx context.Context, g *Group, e *Item, h *heldBytes, ch *Changes) (standing, *heldVersion, error) {
	now, match := h.now, h.find(e.Checksum)
	switch {
	case now != nil && now.Checksum == e.Checksum:
	case now != nil && !now.VerifiedAt.IsZero():
		as, err := p.pinned(ctx, g, e, &now.Version, ch)
		return as, match, err
	case now != nil && !now.Loose && (match == nil || match.adopted()):
		// Of bundles, and never named by an index: nothing is in the way of what it
		// names, whichever of them was met first.
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

// pinned says whether the bytes of an entry take the place of those that were
// verified.
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

// locate says where the bytes of a row are stored; v is nil if there is none.
func (p *planner) locate(e *Item, v *heldVersion) (store.Placement, whereabouts) {
	var at store.Placement
	if v != nil {
		at = p.surviving(&v.Version)
	}
	switch {
	case !at.Loose && p.occupied(e.ID):
		// Whatever stands there (a folder, a file of the wrong size, one that an
		// earlier process left) is looked at when its turn comes.
		return at, stray
	case at == store.Placement{}:
		return at, nowhere
	case p.cfg.VerifyExisting || !p.cfg.inPlace(at):
		return at, unsettled
	}
	return at, settled
}

// occupied reports whether there is anything under the name of a loose file.
func (p *planner) occupied(id crate.ID) bool {
	_, err := p.listing.Stat(id)
	return !errors.Is(err, fs.ErrNotExist)
}

// settled reports whether the store still has all that the catalog says, as far as that
// can be seen without reading it, and there is nothing to do with it.
func (p *planner) settled(v *catalog.Version) bool {
	return p.listing.Holds(v.ID, v.Placement, v.Size) && p.cfg.inPlace(v.Placement)
}

// inPlace reports whether a crate that is stored there is stored wherever it
// should be. What is in the deep archive alone was put there to save space.
func (cfg *Config) inPlace(at store.Placement) bool {
	if !cfg.Bundle || !at.Loose && at.Deep.Segment != "" {
		return true
	}
	return at.Bundle != "" && (at.Loose || !cfg.KeepLoose)
}

// surviving returns what of a version's placement the store still has.
func (p *planner) surviving(v *catalog.Version) (at store.Placement) {
	for _, place := range v.Places() {
		if p.listing.Holds(v.ID, place, v.Size) {
			at = at.With(place)
		}
	}
	return at
}
