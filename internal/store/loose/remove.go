package loose

import (
	"errors"
	"fmt"
	"io/fs"
	"path"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
)

// RemoveLoose implements store.Remover. It also removes folders that become empty.
func (s *Store) RemoveLoose(ids []crate.ID) error {
	if len(ids) == 0 {
		return nil
	}
	dirs := durable.Dirs{} // from which something was removed
	for _, id := range ids {
		if err := s.fsys.Remove(id.LoosePath()); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("removing the loose file of %s: %w", id, err)
		}
		dir := path.Dir(id.LoosePath())
		for dirs[dir] = true; dir != "." && s.removeFolder(dir); {
			dir = path.Dir(dir)
			dirs[dir] = true
		}
	}
	if err := s.batch.SyncDirs(dirs); err != nil {
		return fmt.Errorf("making the removal of loose files durable: %w", err)
	}
	return nil
}

// removeFolder removes an empty folder, and reports whether it no longer exists. A run that was
// killed may have removed it without making that durable.
func (s *Store) removeFolder(dir string) bool {
	err := s.fsys.Remove(dir)
	return err == nil || errors.Is(err, fs.ErrNotExist)
}
