package loose

import (
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"path"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

// MakeWay implements store.Republisher.
func (s *Store) MakeWay(key crate.Key) error {
	return s.swap(key.LoosePath(), key.RepublishedPath(key.Checksum.FileKey()))
}

// TakePlace implements store.Republisher.
func (s *Store) TakePlace(key crate.Key) error {
	return s.swap(key.RepublishedPath(key.Checksum.FileKey()), key.LoosePath())
}

// Keep implements store.Republisher.
func (s *Store) Keep(key crate.Key, body store.Body) error {
	return s.put(key.ID, key.RepublishedPath(key.Checksum.FileKey()), "", body)
}

// AdoptKept implements store.Republisher.
func (s *Store) AdoptKept(key crate.Key) {
	s.adopt(key.ID, key.RepublishedPath(key.Checksum.FileKey()))
}

// Republished implements store.Republisher.
func (s *Store) Republished() iter.Seq2[store.RepublishedFile, error] {
	return func(yield func(store.RepublishedFile, error) bool) {
		s.walkRepublished(crate.RepublishedDir, 0, yield)
	}
}

// republishedDepth is the number of folders of a RepublishedPath below the first.
const republishedDepth = 2

// walkRepublished yields the files below dir, and reports whether the consumer wants more.
func (s *Store) walkRepublished(dir string, depth int, yield func(store.RepublishedFile, error) bool) bool {
	entries, err := s.fsys.ReadDir(dir)
	if err != nil {
		return errors.Is(err, fs.ErrNotExist) || yield(store.RepublishedFile{}, err)
	}
	for _, e := range entries {
		f := store.RepublishedFile{File: path.Join(dir, e.Name())}
		if e.IsDir() && depth < republishedDepth {
			if !s.walkRepublished(f.File, depth+1, yield) {
				return false
			}
			continue
		}
		if e.Type().IsRegular() {
			f.ID, f.Key, _ = crate.ParseRepublishedPath(f.File) // zero if it is not one
		}
		if !yield(f, nil) {
			return false
		}
	}
	return true
}

// swap moves a file by rename into a folder that is already durable, so that even a power
// failure does not lose it.
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
	made := durable.Dirs{".": true}
	made.AddAbove(to)
	if err := s.batch.SyncDirs(made); err != nil {
		return err
	}
	if err := s.publish(from, to); err != nil { // a copy is there: one is enough
		return err
	}
	return s.batch.SyncDirs(durable.Dirs{path.Dir(from): true, path.Dir(to): true})
}
