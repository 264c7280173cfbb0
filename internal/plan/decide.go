package plan

import (
	"context"
	"errors"
	"io/fs"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

// classify says what must be done for an entry; nil means nothing.
func (p *planner) classify(ctx context.Context, g *Group, e *Entry, held holdings, ch *Changes) (*Item, error) {
	h := held.of(e.ID)
	if it, is, err := p.republished(ctx, g, e, h, ch); is || err != nil {
		return it, err
	}
	v := h.now
	if v != nil && !g.Whole {
		// A list does not know what an index has said.
		e.Yanked, e.Unlisted = v.Yanked, !v.Listed && !v.VerifiedAt.IsZero()
	}
	if v != nil && v.ID != e.ID {
		v = nil // the same bytes under another spelling are another file
	}
	var at store.Placement
	stray := false // something stands in the place of the loose file of which no row speaks
	if v != nil {
		at = p.surviving(&v.Version)
		stray = !at.Loose && p.occupied(e.ID)
	}
	if at != (store.Placement{}) && !stray && !p.cfg.VerifyExisting && p.cfg.inPlace(at) {
		v.settle(at)
		return nil, p.held(ctx, e, &v.Version)
	}
	return p.item(e, at, stray), nil
}

// item is what must be done for an entry of which at is held.
func (p *planner) item(e *Entry, at store.Placement, stray bool) *Item {
	p.totals.Versions++
	if stray { // damaged, or a catalog made from bundles knows nothing of it yet
		at.Loose = true
	}
	if at == (store.Placement{}) {
		if !p.occupied(e.ID) {
			if p.cfg.HeldOnly {
				p.totals.Versions--
				p.totals.Absent++
				return nil
			}
			p.totals.Fetch++
			return &Item{Entry: *e, Task: Fetch}
		}
		// Whatever stands there (a folder, a file of the wrong size, one that an
		// earlier process left) is looked at when its turn comes.
		at.Loose = true
	}
	p.totals.Check++
	if p.cfg.Bundle && at.Bundle == "" {
		p.totals.ToBundle++
	}
	return &Item{Entry: *e, Task: Check, At: at}
}

// occupied reports whether anything stands under the name of a loose file.
func (p *planner) occupied(id crate.ID) bool {
	_, err := p.listing.Stat(id)
	return !errors.Is(err, fs.ErrNotExist)
}

// settled reports whether the store still has all that the catalog says, as far
// as that can be seen without reading it, and nothing is to be done with it.
func (p *planner) settled(v *catalog.Version) bool {
	return p.listing.Holds(v.ID, v.Placement, v.Size) && p.cfg.inPlace(v.Placement)
}

// inPlace reports whether a crate that is stored there is stored wherever it
// should be.
func (cfg *Config) inPlace(at store.Placement) bool {
	return !cfg.Bundle || at.Bundle != "" && (at.Loose || !cfg.KeepLoose)
}

// surviving returns what of a version's placement the store still has.
func (p *planner) surviving(v *catalog.Version) store.Placement {
	at := v.Placement
	if at.Loose && !p.listing.Holds(v.ID, at.AsFile(), v.Size) {
		at = at.InBundle()
	}
	if at.Bundle != "" && !p.listing.Holds(v.ID, at.InBundle(), v.Size) {
		at = at.AsFile()
	}
	return at
}
