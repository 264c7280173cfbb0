package tilelog

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"iter"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/statement"
)

// A Log is a log at its last checkpoint.
type Log struct {
	*statement.Statement // its content; the signature was not verified
	Checkpoint           []byte
	fsys                 durable.Reader
}

// Open reads the checkpoint. Errors: fs.ErrNotExist if there is none.
func Open(fsys durable.Reader) (*Log, error) {
	data, err := durable.ReadFile(fsys, CheckpointName, statement.MaxCheckpoint)
	if err != nil {
		return nil, err
	}
	s, err := statement.Peek(data)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrDamaged, CheckpointName, err)
	}
	return &Log{Statement: s, Checkpoint: data, fsys: fsys}, nil
}

// Hashes returns a reader of hashes of the tree. Each hash is verified with the root before
// it is returned: a changed tile is an error.
func (l *Log) Hashes() tlog.HashReader {
	from := tlog.TileHashReader(l.Tree, tiles{l.fsys})
	return tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		hashes, err := from.ReadHashes(indexes)
		if err != nil && !errors.Is(err, ErrDamaged) && !errors.As(err, new(*fs.PathError)) {
			err = fmt.Errorf("%w: a tile is not that of the root (%w)", ErrDamaged, err)
		}
		return hashes, err
	})
}

// tiles is a tlog.TileReader.
type tiles struct{ fsys durable.Reader }

func (t tiles) Height() int                     { return height }
func (t tiles) SaveTiles([]tlog.Tile, [][]byte) {}

func (t tiles) ReadTiles(list []tlog.Tile) (data [][]byte, err error) {
	for _, tile := range list {
		content, err := readHashes(t.fsys, tile)
		if err != nil {
			return nil, err
		}
		data = append(data, content)
	}
	return data, nil
}

// readHashes reads a tile of hashes.
func readHashes(fsys durable.Reader, t tlog.Tile) ([]byte, error) {
	data, name, err := readTile(fsys, t, width*tlog.HashSize)
	if err != nil {
		return nil, err
	}
	if len(data)%tlog.HashSize != 0 || len(data) < t.W*tlog.HashSize {
		return nil, fmt.Errorf("%w: %s has %d bytes", ErrDamaged, name, len(data))
	}
	return data[:t.W*tlog.HashSize], nil
}

// readTile reads a tile, or the full one in its place, which begins with it.
func readTile(fsys durable.Reader, t tlog.Tile, limit int64) (data []byte, name string, err error) {
	name = Path(t)
	data, err = durable.ReadFile(fsys, name, limit)
	if errors.Is(err, fs.ErrNotExist) && t.W < width {
		t.W = width
		name = Path(t)
		data, err = durable.ReadFile(fsys, name, limit)
	}
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%w: %s is missing", ErrDamaged, name)
	}
	return data, name, err
}

// Leaves yields the leaves from one number up to but not including another, each verified
// with its hash. The sequence ends after an error.
func (l *Log) Leaves(ctx context.Context, from, to int64) iter.Seq2[crate.Key, error] {
	return func(yield func(crate.Key, error) bool) {
		for n := from / width; n*width < to; n++ {
			lines, err := readBundle(l.fsys, tileAt(entriesLevel, n, l.N))
			if err == nil {
				err = ctx.Err()
			}
			for i, line := range lines {
				if at := n*width + int64(i); err != nil || at < from || at >= to {
					continue
				}
				var key crate.Key
				if key, err = statement.ParseLine(line); err == nil && !yield(key, nil) {
					return
				}
			}
			if err != nil {
				yield(crate.Key{}, err)
				return
			}
		}
	}
}

// maxBundle bounds a tile of lines, in bytes.
const maxBundle = int64(width * (2 + statement.MaxLeaf))

// readBundle reads a tile of lines.
func readBundle(fsys durable.Reader, t tlog.Tile) ([]string, error) {
	data, name, err := readTile(fsys, t, maxBundle)
	if err != nil {
		return nil, err
	}
	hashes, err := readHashes(fsys, tlog.Tile{H: height, L: 0, N: t.N, W: t.W})
	if err != nil {
		return nil, err
	}
	lines, _, err := cutLines(data, hashes)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrDamaged, name, err)
	}
	return lines, nil
}

// cutLines returns the lines of leaves with known hashes from the beginning of a tile of
// lines, and what follows.
func cutLines(data, hashes []byte) (lines []string, rest []byte, err error) {
	for ; len(hashes) > 0; hashes = hashes[tlog.HashSize:] {
		if len(data) < 2 || len(data) < 2+int(binary.BigEndian.Uint16(data)) {
			return nil, nil, fmt.Errorf("it ends within line %d", len(lines))
		}
		end := 2 + int(binary.BigEndian.Uint16(data))
		line := string(data[2:end])
		if h := tlog.RecordHash([]byte(line)); string(h[:]) != string(hashes[:tlog.HashSize]) {
			return nil, nil, fmt.Errorf("line %d is not that of its leaf", len(lines))
		}
		lines, data = append(lines, line), data[end:]
	}
	return lines, data, nil
}
