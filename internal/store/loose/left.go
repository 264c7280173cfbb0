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

// A crate waits in tmp/ for the next Checkpoint: a second's worth of downloads, or
// what came while the disk was slow. So that a kill does not cost them, each is called
// there [crate.ID.KeyedName], which has half of the checksum that it was proved to
// have: it proves itself. Open gives those that are whole their names, and the run
// finds them as it finds what was named and not recorded: nothing is trusted because
// of its name, all is hashed against the index.
//
// What is not called so is removed: it was being written, or is no crate's final
// bytes (evidence, what goes to republished/). A power cut leaves what it leaves; what
// was not written to the disk has another checksum, or none.

// leftBatch is how many files that were left get their names together.
const leftBatch = 4096

// takeUp gives the whole crates in tmp/ their names. There are as many as came between
// two checkpoints, or fewer.
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
	return nil // one whose name is taken was removed: it is fetched again if it should be there
}

// left is a file of tmp/ if it is a whole crate, else nil.
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
