package loose

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
)

// trashDir has a folder for each day on which something was thrown away, with
// the layout of the store.
const trashDir = "trash"

// Trash moves the loose files of ids to trash/{date}, durably. They move by
// rename, into folders that are durable before, so that not even a power cut
// loses them. One that is not there is success.
func (s *Store) Trash(ids []crate.ID, date time.Time) error {
	day := path.Join(trashDir, date.UTC().Format(time.DateOnly))
	made, moved := map[string]bool{".": true}, map[string]bool{}
	for _, id := range ids {
		to := path.Dir(path.Join(day, id.LoosePath()))
		if err := s.fsys.MkdirAll(to); err != nil {
			return fmt.Errorf("making room in the trash: %w", err)
		}
		moved[to], moved[path.Dir(id.LoosePath())] = true, true
		for dir := path.Dir(to); dir != "."; dir = path.Dir(dir) {
			made[dir] = true
		}
	}
	if err := s.syncDirs(made); err != nil {
		return fmt.Errorf("making the trash durable: %w", err)
	}
	for _, id := range ids {
		if err := s.throw(id, path.Join(day, id.LoosePath())); err != nil {
			return fmt.Errorf("moving %s to the trash: %w", id.LoosePath(), err)
		}
	}
	if err := s.syncDirs(moved); err != nil {
		return fmt.Errorf("making the move to the trash durable: %w", err)
	}
	return nil
}

// throw gives a loose file a name in the trash that is free.
func (s *Store) throw(id crate.ID, name string) (err error) {
	for n := 1; n <= 100; n++ {
		to := name
		if n > 1 {
			to = fmt.Sprintf("%s-%d", name, n)
		}
		if err = s.fsys.Publish(id.LoosePath(), to); !errors.Is(err, fs.ErrExist) {
			break
		}
	}
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return err
}

// Trashed returns the days on which something was thrown away.
func (s *Store) Trashed() (days []time.Time, err error) {
	entries, err := s.fsys.ReadDir(trashDir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	for _, e := range entries {
		if day, err := time.Parse(time.DateOnly, e.Name()); err == nil && e.IsDir() {
			days = append(days, day)
		}
	}
	return days, err
}

// EmptyTrash removes what was thrown away on a day.
func (s *Store) EmptyTrash(day time.Time) error {
	dir := path.Join(trashDir, day.Format(time.DateOnly))
	if err := removeTree(s.fsys, dir); err != nil {
		return fmt.Errorf("emptying %s: %w", dir, err)
	}
	return s.fsys.SyncDir(trashDir)
}

func removeTree(fsys durable.FS, dir string) error {
	entries, err := fsys.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		name := path.Join(dir, e.Name())
		if e.IsDir() {
			err = removeTree(fsys, name)
		} else {
			err = fsys.Remove(name)
		}
		if err != nil {
			return err
		}
	}
	return fsys.Remove(dir)
}
