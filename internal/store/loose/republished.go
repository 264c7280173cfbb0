package loose

import (
	"errors"
	"fmt"
	"io/fs"
	"path"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

// MakeWay implements store.Republisher.
func (s *Store) MakeWay(key crate.Key) error {
	return s.swap(key.LoosePath(), key.RepublishedPath(key.Checksum.FileKey()))
}

// TakePlace implements store.Republisher.
func (s *Store) TakePlace(key crate.Key) error {
	return s.swap(key.RepublishedPath(key.Checksum.FileKey()), key.LoosePath())
}

// swap moves a file by rename, into a folder that is durable before, so that not
// even a power cut loses it.
func (s *Store) swap(from, to string) error {
	if err := s.rename(from, to); err != nil {
		return fmt.Errorf("moving %s to %s: %w", from, to, err)
	}
	return nil
}

func (s *Store) rename(from, to string) error {
	if err := s.fsys.MkdirAll(path.Dir(to)); err != nil {
		return err
	}
	made := map[string]bool{".": true}
	addDirs(made, to)
	if err := s.syncDirs(made); err != nil {
		return err
	}
	err := s.fsys.Publish(from, to)
	if errors.Is(err, fs.ErrExist) && s.sameBytes(from, to) { // a copy: one is enough
		if err = s.syncPath(to); err == nil {
			err = s.fsys.Remove(from)
		}
	}
	if err != nil {
		return err
	}
	return s.syncDirs(map[string]bool{path.Dir(from): true, path.Dir(to): true})
}
