package bundled

import (
	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/extent"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

// mostLayouts is how many layouts are remembered, with some KiB each, 5 at most.
const mostLayouts = 1 << 13

// spot is a member in its place.
type spot struct {
	crate.ID
	bundle string
	at     bundle.Placement
}

// layout is where the bytes of a member are, in one state of its bundle.
type layout struct {
	state  durable.State
	size   int64
	pieces []extent.Extent // none: nowhere as they are
}

// laid is a member with a known layout. Nothing is decoded.
type laid struct {
	extent.Reader
	layout
	of    *file
	at    int64
	close func() error
}

// Identity implements store.Content.
func (m laid) Identity() (store.Identity, error) {
	return store.Identity{In: m.of.name, State: m.state, Offset: m.at}, nil
}

// Extents implements extent.Laid.
func (m laid) Extents() (extent.File, []extent.Extent) {
	f, _ := m.of.f.(extent.File)
	return f, m.pieces
}

// Close implements store.Content.
func (m laid) Close() error { return m.close() }

// laidOut opens a member by its layout, if f is in the state in which that was found; if
// nil, it must be decoded.
func (r *readers) laidOut(at spot, f *file, free func() error) store.Content {
	known, ok := r.layouts.Get(at)
	if !ok || len(known.pieces) == 0 {
		return nil
	}
	state, err := durable.StateOf(f.f)
	if err != nil || state != known.state {
		return nil
	}
	return laid{extent.NewReader(f.f, known.pieces, known.size), known, f, at.at.Offset, free}
}

// Lay remembers where the bytes of a member are; they were verified while the bundle was
// in the state that id names.
func (m member) Lay(id store.Identity) {
	if _, ok := m.of.f.(extent.File); !ok || id.State == (durable.State{}) {
		return
	}
	if known, ok := m.from.layouts.Get(m.spot); ok && known.state == id.State {
		return
	}
	m.from.layouts.Put(m.spot, layout{id.State, m.Size(), m.of.Extents(m.spot.at, m.Content)})
}
