package reader

import (
	"context"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

// A Snapshot is the mirror with the index at a commit of its past.
type Snapshot struct {
	view   *View
	commit string
}

// Snapshot returns the mirror at a commit, given by its full id.
func (v *View) Snapshot(commit string) *Snapshot { return &Snapshot{v, commit} }

// Names returns the names of all crates that may be visible, in any order: those with any
// bytes held.
func (s *Snapshot) Names(ctx context.Context) (names []string, err error) {
	err = s.view.catalog.Read(ctx, func(c *catalog.Catalog) (err error) {
		names, err = c.Held(ctx)
		return err
	})
	return names, ignoreAbsent(err)
}

// Crate calls [View.CrateAt].
func (s *Snapshot) Crate(ctx context.Context, name string) (*Crate, error) {
	return s.view.CrateAt(ctx, s.commit, name)
}

// OpenBytes calls [View.OpenBytes].
func (s *Snapshot) OpenBytes(ctx context.Context, key crate.Key) (*File, error) {
	return s.view.OpenBytes(ctx, key)
}
