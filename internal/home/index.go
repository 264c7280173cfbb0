package home

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
)

// OpenIndex opens the mirror's index. If there is none, the error says how to get one. Errors:
// those of index.Open.
func (d *Dirs) OpenIndex(ctx context.Context, log *slog.Logger) (*index.Index, error) {
	ix, err := index.Open(ctx, d.Index, index.Options{Log: log})
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%w: clonecratesio sync clones it, or: git clone --bare --depth 1 %s %s", err, index.DefaultURL, d.Index)
	}
	return ix, err
}
