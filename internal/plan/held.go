package plan

import (
	"context"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

// heldVersion is a row of the catalog; changed is set if the row must be updated.
type heldVersion struct {
	catalog.Version
	changed bool
}

// heldBytes are the rows of one version.
type heldBytes struct {
	now    *heldVersion   // its current bytes; nil: none are held
	others []*heldVersion // earlier bytes, or bytes that a bundle holds under its name
}

// holdings are the rows of one crate.
type holdings map[crate.ID]*heldBytes

func (p *planner) heldOf(ctx context.Context, g *Group) (holdings, error) {
	rows, err := p.catalog.Versions(ctx, path.Base(g.Path))
	if err != nil {
		return nil, err
	}
	held := make(holdings, len(rows))
	for i := range rows {
		held.add(&heldVersion{Version: rows[i]})
	}
	return held, nil
}

// add adds a row. Adopting bundles can leave several rows that are not superseded; the one
// that an index named wins.
func (held holdings) add(v *heldVersion) {
	h := held[pinKey(v.ID)]
	if h == nil {
		h = new(heldBytes)
		held[pinKey(v.ID)] = h
	}
	switch {
	case !v.SupersededAt.IsZero():
		h.others = append(h.others, v)
	case h.now == nil:
		h.now = v
	case h.now.VerifiedAt.Before(v.VerifiedAt):
		h.now, h.others = v, append(h.others, h.now)
	default:
		h.others = append(h.others, v)
	}
}

// of returns the rows of a version. The caller must not change the result if there are
// none.
func (held holdings) of(id crate.ID) *heldBytes {
	if h := held[pinKey(id)]; h != nil {
		return h
	}
	return &heldBytes{}
}

// pinKey is the key under which a version is pinned: crates.io does not distinguish names
// by case, so a version that returns in another case is the same.
func pinKey(id crate.ID) crate.ID {
	return crate.ID{Name: strings.ToLower(id.Name), Version: id.Version}
}

// find returns the row of other bytes, or nil if they are not held.
func (h *heldBytes) find(sum crate.Checksum) *heldVersion {
	for _, v := range h.others {
		if v.Checksum == sum {
			return v
		}
	}
	return nil
}

// adopted reports whether bytes were found in a bundle but never compared with an index.
func (v *heldVersion) adopted() bool {
	return v.SupersededAt.IsZero() && v.VerifiedAt.IsZero() && !v.Loose
}

// supersede replaces the version's current bytes by others: by, which is one of others, or
// if nil, bytes that are not held.
func (h *heldBytes) supersede(by *heldVersion) {
	h.now.SupersededAt, h.now.changed = time.Now(), true
	others := slices.DeleteFunc(h.others, func(v *heldVersion) bool { return v == by })
	h.now, h.others = by, append(others, h.now)
}

// settle records where a version is, now that the index names it.
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

// Changes are the changes of the catalog that a crate's index file implies, whatever the
// outcome of the crate's items.
type Changes struct {
	Rows     []catalog.Version
	Removed  []catalog.Removal
	Accepted []crate.Key
	// Unlinked are the versions whose rows lose their loose files, which are gone. A run that
	// was cut off may have removed them without making that durable.
	Unlinked []crate.ID
}

// Empty reports whether there are no changes.
func (c *Changes) Empty() bool {
	return len(c.Rows)+len(c.Removed)+len(c.Accepted)+len(c.Unlinked) == 0
}

// changed completes the changes of a crate with rows whose place, or whose entry in the
// index, has changed.
func (p *planner) changed(ctx context.Context, g *Group, held holdings, ch *Changes) error {
	if g.Whole && len(g.Entries) > 0 {
		if err := p.flag(ctx, g, held, ch); err != nil {
			return err
		}
	}
	for _, h := range held {
		for _, v := range append(h.others, h.now) {
			if v != nil && v.changed {
				ch.Rows = append(ch.Rows, v.Version)
			}
		}
	}
	return nil
}

// flag compares the rows of a crate with its index entries.
func (p *planner) flag(ctx context.Context, g *Group, held holdings, ch *Changes) error {
	seen := make(map[crate.ID]bool, len(g.Entries))
	for i := range g.Entries {
		e := &g.Entries[i]
		seen[pinKey(e.ID)] = true
		v := held.of(e.ID).now
		switch {
		case v == nil:
		case v.Checksum != e.Checksum:
			if v.Listed {
				p.unlist(v, catalog.RemovedChecksum, ch)
			}
			continue
		case v.Yanked != e.Yanked || !v.Listed:
			v.Yanked, v.Listed, v.changed = e.Yanked, true, true
		}
		for _, other := range held.of(e.ID).others { // of adopted bundles
			if v != nil && other.SupersededAt.IsZero() {
				other.SupersededAt, other.Listed, other.changed = time.Now(), false, true
			}
		}
	}
	for i := range g.Bad {
		seen[pinKey(g.Bad[i].ID)] = true // an unreadable line does not unlist
	}
	for id, h := range held {
		if h.now != nil && !seen[id] {
			if err := p.vanished(ctx, h.now, ch); err != nil {
				return err
			}
		}
	}
	return nil
}

// vanished records that the index no longer names a version, even if it named other bytes
// of it before.
func (p *planner) vanished(ctx context.Context, v *heldVersion, ch *Changes) error {
	if !v.Listed {
		noted, err := p.catalog.WasRemoved(ctx, v.Key())
		if err != nil || !noted.IsZero() || v.VerifiedAt.IsZero() {
			return err
		}
	}
	p.unlist(v, catalog.RemovedVersion, ch)
	return nil
}

// unlist records that the index no longer names bytes.
func (p *planner) unlist(v *heldVersion, scope string, ch *Changes) {
	v.Listed, v.changed = false, true
	ch.Removed = append(ch.Removed, catalog.Removal{Key: v.Key(), Scope: scope, Seen: time.Now(), At: p.revision})
}
