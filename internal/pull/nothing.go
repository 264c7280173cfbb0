package pull

import (
	"context"
	"fmt"
	"io/fs"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/cargotoml"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/reader"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/runstate"
)

// Nothing is a mirror that holds nothing: a [Mirror] in front of it is a caching proxy.
type Nothing struct{}

var _ Behind = Nothing{}

func nothing(what string) error { return fmt.Errorf("%s is not here: %w", what, fs.ErrNotExist) }

// Crate implements Behind, as the other methods do.
func (Nothing) Crate(_ context.Context, name string) (*reader.Crate, error) {
	return nil, nothing(name)
}
func (Nothing) Days(context.Context) ([]index.Day, error) { return nil, nil }
func (Nothing) At(context.Context, string) (reader.Past, error) {
	return reader.Past{}, index.ErrNoPast
}
func (Nothing) CrateAt(_ context.Context, _, name string) (*reader.Crate, error) {
	return nil, nothing(name)
}
func (Nothing) History(context.Context, string, string) (*reader.History, error) {
	return nil, index.ErrNoPast
}
func (Nothing) Find(_ context.Context, id crate.ID) (crate.Key, error) {
	return crate.Key{}, nothing(id.String())
}
func (Nothing) Open(_ context.Context, id crate.ID) (*reader.File, error) {
	return nil, nothing(id.String())
}
func (Nothing) OpenBytes(_ context.Context, key crate.Key) (*reader.File, error) {
	return nil, nothing(key.ID.String())
}
func (Nothing) Search(string, int, int) ([]string, int) { return nil, 0 }
func (Nothing) Holds(string) bool                       { return false }
func (Nothing) About(_ context.Context, key crate.Key) (cargotoml.Package, error) {
	return cargotoml.Package{}, nothing(key.ID.String())
}
func (Nothing) Pins(context.Context, string) (map[string]crate.Checksum, error) { return nil, nil }
func (Nothing) Generation() uint64                                              { return 0 }
func (Nothing) Totals() reader.Totals                                           { return reader.Totals{Counted: true} }
func (Nothing) Run() (runstate.State, bool)                                     { return runstate.State{}, false }
