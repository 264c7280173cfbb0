package export

import (
	"context"
	"slices"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/reader"
)

// A Choice selects a part of a mirror, like a plan.Choice.
type Choice interface {
	Crate(path string) bool
	Entries(c *index.Crate) []bool
}

// Chosen returns the selected part of a mirror.
func Chosen(m Mirror, part Choice) Mirror { return chosen{m, part} }

type chosen struct {
	Mirror
	part Choice
}

// Names implements Mirror.
func (c chosen) Names(ctx context.Context) ([]string, error) {
	names, err := c.Mirror.Names(ctx)
	return slices.DeleteFunc(names, func(name string) bool { return !c.part.Crate(crate.IndexPath(name)) }), err
}

// Crate implements Mirror.
func (c chosen) Crate(ctx context.Context, name string) (*reader.Crate, error) {
	all, err := c.Mirror.Crate(ctx, name)
	if err != nil {
		return nil, err
	}
	shown := index.Crate{File: index.File{Path: all.Path}}
	for i := range all.Entries {
		shown.Entries = append(shown.Entries, all.Entries[i].Entry)
	}
	some := *all
	some.Entries, some.Left = nil, 0 // versions that are not selected are not missing
	for i, wanted := range c.part.Entries(&shown) {
		if wanted {
			some.Entries = append(some.Entries, all.Entries[i])
		}
	}
	return &some, nil
}
