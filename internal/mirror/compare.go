package mirror

import (
	"context"
	"errors"
	"io/fs"
	"path"
	"strings"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

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
func (p *planner) classify(ctx context.Context, g *Group, e *Entry, held map[crate.ID]*heldVersion) (*item, error) {
	v := held[pinKey(e.ID)]
	if v != nil && v.Checksum != e.Checksum {
		if !v.VerifiedAt.IsZero() {
			p.plan.Versions++
			p.plan.Conflicts++
			return &item{Entry: *e, task: taskConflict}, nil
		}
		p.cfg.Log.Warn("a bundle holds something else under this name than the index names; it does not count",
			"crate", e.Name, "version", e.Version, "bundle", v.Bundle, "offset", v.Offset)
		delete(held, pinKey(e.ID))
		v = nil
	}
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
	p.plan.Versions++
	if stray { // damaged, or a catalog made from bundles knows nothing of it yet
		at.Loose = true
	}
	if at == (store.Placement{}) {
		if !p.occupied(e.ID) {
			if p.cfg.HeldOnly {
				p.plan.Versions--
				p.plan.Absent++
				return nil, nil
			}
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

// occupied reports whether anything stands under the name of a loose file.
func (p *planner) occupied(id crate.ID) bool {
	_, err := p.listing.Stat(id)
	return !errors.Is(err, fs.ErrNotExist)
}

// settle notes where a version is, now that the index vouches for it.
func (v *heldVersion) settle(at store.Placement) {
	if at != v.Placement {
		v.Placement = at
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
	if g.Whole && len(g.Entries) > 0 {
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

// settled reports whether the store still has all that the catalog says, as far
// as that can be seen without reading it, and nothing is to be done with it.
func (p *planner) settled(v *catalog.Version) bool {
	return p.listing.Holds(v.ID, v.Placement, v.Size) && p.cfg.inPlace(v.Placement)
}

// inPlace reports whether a crate that lies there lies wherever it should.
func (cfg *Config) inPlace(at store.Placement) bool {
	return !cfg.Bundle || at.Bundle != "" && (at.Loose || !cfg.KeepLoose)
}

// surviving returns what of a version's placement the store still has.
func (p *planner) surviving(v *catalog.Version) store.Placement {
	at := v.Placement
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
