package loose

import (
	"errors"
	"fmt"
	"io/fs"
	"path"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

// RemoveLoose implements store.Remover. Folders that become empty go too.
func (s *Store) RemoveLoose(ids []crate.ID) error {
	dirs := map[string]bool{} // from which something was removed
	for _, id := range ids {
		if err := s.fsys.Remove(id.LoosePath()); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("removing the loose file of %s: %w", id, err)
		}
		dir := path.Dir(id.LoosePath())
		for dirs[dir] = true; dir != "." && s.fsys.Remove(dir) == nil; {
			dir = path.Dir(dir)
			dirs[dir] = true
		}
	}
	if err := s.syncDirs(dirs); err != nil {
		return fmt.Errorf("making the removal of loose files durable: %w", err)
	}
	return nil
}

// syncDirs makes the names in folders durable; those that went with others do
// not matter.
func (s *Store) syncDirs(dirs map[string]bool) error {
	if s.mode == None {
		return nil
	}
	if s.mode == Batch {
		if err := s.fsys.SyncAll(); !errors.Is(err, errors.ErrUnsupported) {
			return err
		}
	}
	for dir := range dirs {
		if err := s.fsys.SyncDir(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}
