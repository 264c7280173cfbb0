package tilelog

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/statement"
)

// Errors of ReadFile; both are fs.ErrNotExist.
var (
	ErrNoLog  = fmt.Errorf("there is no log: %w", fs.ErrNotExist)
	ErrNoTile = fmt.Errorf("no checkpoint covers such a tile, or there is a full one in its place: %w", fs.ErrNotExist)
)

// ReadFile reads the checkpoint or a tile, to be given out under its name. What
// cannot be either is not looked for. A tile is ErrNoTile that the checkpoint does not
// cover, as an append that goes on may have written it: what is given out once must
// never change.
func ReadFile(folder durable.Reader, name string) ([]byte, error) {
	t, err := ParsePath(name)
	if name != CheckpointName && err != nil {
		return nil, ErrNoTile
	}
	l, err := Open(folder)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, ErrNoLog
	case err != nil:
		return nil, err
	case name == CheckpointName:
		return l.Checkpoint, nil
	case tileAt(t.L, t.N, l.N).W < t.W:
		return nil, ErrNoTile
	}
	data, err := durable.ReadFile(folder, name, max(maxBundle, statement.MaxCheckpoint))
	if errors.Is(err, fs.ErrNotExist) && t.W < width {
		err = ErrNoTile
	}
	return data, err
}
