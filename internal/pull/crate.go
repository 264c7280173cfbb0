package pull

import (
	"context"
	"errors"
	"io/fs"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/reader"
)

// Crate implements reader.Lines: it returns the lines that the mirror shows together with
// upstream's.
func (m *Mirror) Crate(ctx context.Context, name string) (*reader.Crate, error) {
	held, err := m.Behind.Crate(ctx, name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	said, errSaid := m.lines(ctx, name)
	if errSaid != nil {
		if held != nil && ctx.Err() == nil {
			return held, nil // there is nothing newer to learn
		}
		return nil, errSaid
	}
	pins, err := m.Behind.Pins(ctx, name)
	if err != nil {
		return nil, err
	}
	c := m.join(name, held, said, pins)
	if len(c.Entries) == 0 {
		return nil, noCrate(name)
	}
	c.Name = c.Entries[len(c.Entries)-1].Name
	return c, nil
}

// join joins the lines that the mirror shows of a crate, if any, with upstream's. Lines
// that upstream lacks come first, because they are older.
func (m *Mirror) join(name string, held *reader.Crate, said *lines, pins map[string]crate.Checksum) *reader.Crate {
	c := &reader.Crate{Path: crate.IndexPath(name)}
	byVersion := map[string]*reader.Entry{}
	if held != nil {
		c.Left = held.Left
		for i := range held.Entries {
			byVersion[held.Entries[i].Version] = &held.Entries[i]
		}
	}
	// If the mirror was updated since, its index is newer.
	older := said.checked.Before(m.Behind.Totals().CommitTime)
	var added []reader.Entry
	for i := range said.named {
		e := &said.named[i]
		here := byVersion[e.Version]
		pin, pinned := pins[e.Version]
		switch {
		case pinned && pin != e.Checksum:
			m.tellConflict(e.ID, pin, e.Checksum)
			continue
		case here != nil && older:
			continue
		case here != nil:
			added = append(added, *here)
			added[len(added)-1].Entry = *e
			delete(byVersion, e.Version)
		default:
			if entry, ok := m.entry(e, pinned, said.stale); ok {
				added = append(added, entry)
			} else {
				c.Left++
			}
		}
	}
	if held != nil {
		for i := range held.Entries {
			if e := &held.Entries[i]; byVersion[e.Version] != nil {
				c.Entries = append(c.Entries, *e)
			}
		}
	}
	c.Entries = append(c.Entries, added...)
	return c
}

// entry returns a line that the mirror does not show; false if its version is not
// available.
func (m *Mirror) entry(e *index.Entry, pinned, stale bool) (reader.Entry, bool) {
	shown := reader.Entry{Entry: *e}
	if size, ok := m.store.size(e.ID); ok {
		shown.Held, shown.Size = true, size
		return shown, true
	}
	if pinned { // held, but only upstream names it: a sync has not seen the line yet
		shown.Held = true
		return shown, true
	}
	away := m.offline()
	if !away && (stale || m.own != nil) {
		away, _ = m.outage.state()
	}
	return shown, !away
}
