package bundled

import (
	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/extent"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

// mostLayouts is the maximum number of layouts in memory, each some KiB, at most 5.
const mostLayouts = 1 << 13

// spot identifies a member by its place.
type spot struct {
	crate.ID
	bundle string
	at     bundle.Placement
}

// layout is where the bytes of a member are, for one state of its bundle.
type layout struct {
	state  durable.State
	size   int64
	pieces []extent.Extent // none: they are not stored unencoded
}

// laid is a member with a known layout, which needs no decoding.
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

// laidOut opens a member by its layout, if f is in the state of that layout. If it returns
// nil, the member must be decoded.
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

// Lay remembers where the bytes of a member are; they were verified while the bundle was in
// the state of id.
func (m member) Lay(id store.Identity) {
	if _, ok := m.of.f.(extent.File); !ok || id.State == (durable.State{}) {
		return
	}
	if known, ok := m.from.layouts.Get(m.spot); ok && known.state == id.State {
		return
	}
	m.from.layouts.Put(m.spot, layout{id.State, m.Size(), m.of.Extents(m.spot.at, m.Content)})
}
