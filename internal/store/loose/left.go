package loose

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
)

// A crate waits in tmp/ for the next Checkpoint: a second's worth of downloads, or more
// while the disk is slow. So that a kill does not cost them, each has its
// [crate.ID.KeyedName] there, with half of its verified checksum, so that it proves itself.
// Open gives complete files their names, and the run treats them like any file that has its
// name but is not recorded: no file is trusted for its name, and all are hashed and
// compared with the index.
//
// Other files are removed: they are incomplete, or not a crate's final bytes (evidence,
// files for republished/). After a power failure, bytes that were not written to the disk
// have another checksum.

// leftBatch is the number of leftover files that get their names together.
const leftBatch = 4096

// takeUp gives the complete crates in tmp/ their names. There are at most as many as came
// between two checkpoints.
func (s *Store) takeUp() error {
	dirs, err := s.fsys.ReadDir(tempDir)
	if err != nil {
		return ignoreMissing(err)
	}
	var files []*durable.Staged
	for _, dir := range dirs {
		if !dir.IsDir() {
			continue
		}
		entries, err := s.fsys.ReadDir(path.Join(tempDir, dir.Name()))
		if err != nil {
			return err
		}
		for _, e := range entries {
			if f := s.left(path.Join(tempDir, dir.Name(), e.Name())); f != nil {
				files = append(files, f)
			}
		}
		if len(files) >= leftBatch {
			if err := s.nameLeft(files); err != nil {
				return err
			}
			files = nil
		}
	}
	return s.nameLeft(files)
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func (s *Store) nameLeft(files []*durable.Staged) error {
	if err := s.batch.Commit(context.Background(), files, s.publish); err != nil {
		return fmt.Errorf("keeping %d crates that an earlier run had fetched: %w", len(files), err)
	}
	return nil // a file whose name is taken was removed: it is downloaded again if needed
}

// left returns a file of tmp/ if it is a complete crate, else nil.
func (s *Store) left(name string) *durable.Staged {
	id, key, err := crate.ParseKeyedName(path.Base(name))
	if err != nil {
		return nil
	}
	if sum, err := s.hash(name); err != nil || sum.FileKey() != key {
		return nil
	}
	return s.batch.StageFound(name, id.LoosePath())
}
