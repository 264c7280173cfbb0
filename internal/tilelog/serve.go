package tilelog

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
)

// Errors of ReadFile; both wrap fs.ErrNotExist.
var (
	ErrNoLog  = fmt.Errorf("there is no log: %w", fs.ErrNotExist)
	ErrNoTile = fmt.Errorf("no checkpoint covers such a tile, or there is a full one in its place: %w", fs.ErrNotExist)
)

// ReadFile reads the checkpoint or a tile, to be served under its name. Other names are not
// looked up. Errors: ErrNoTile for a tile that the checkpoint does not cover (a current
// append may have written it), ErrDamaged for one that contradicts the root: caches keep
// what was served once, so it must never change.
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
	data, err := durable.ReadFile(folder, name, maxBundle)
	switch {
	case errors.Is(err, fs.ErrNotExist) && t.W < width:
		return nil, ErrNoTile
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%w: %s is missing", ErrDamaged, name)
	case err != nil:
		return nil, err
	}
	return data, l.checkTile(t, data)
}

// checkTile verifies a tile with the root.
func (l *Log) checkTile(t tlog.Tile, data []byte) error {
	indexes := make([]int64, t.W)
	for i := range indexes {
		indexes[i] = tlog.StoredHashIndex(max(0, t.L)*height, t.N*width+int64(i))
	}
	list, err := l.Hashes().ReadHashes(indexes)
	if err != nil {
		return err
	}
	hashes := make([]byte, 0, len(list)*tlog.HashSize)
	for _, h := range list {
		hashes = append(hashes, h[:]...)
	}
	same := bytes.Equal(data, hashes)
	if t.L == entriesLevel {
		_, rest, err := cutLines(data, hashes)
		same = err == nil && len(rest) == 0
	}
	if !same {
		return fmt.Errorf("%w: %s is not that of the root", ErrDamaged, Path(t))
	}
	return nil
}
