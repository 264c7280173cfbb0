// Package trash removes files reversibly, within their folder: it moves them to
// trash/{date}, with their paths unchanged. They move by rename, into folders that are
// already durable, so that even a power failure does not lose one. To undo a mistake, move
// them back.
package trash

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
)

// Dir has a folder for each day on which files were removed.
const Dir = "trash"

// Sync makes the names in folders durable.
type Sync func(dirs durable.Dirs) error

// Each returns a Sync that syncs one folder after the other.
func Each(fsys durable.FS) Sync {
	return func(dirs durable.Dirs) error { return durable.SyncDirs(fsys, dirs) }
}

// Move durably moves files to the trash of a day. A missing file is not an error.
func Move(fsys durable.FS, names []string, date time.Time, sync Sync) error {
	day := path.Join(Dir, date.UTC().Format(time.DateOnly))
	made, moved := durable.Dirs{".": true}, durable.Dirs{}
	for _, name := range names {
		to := path.Dir(path.Join(day, name))
		if err := fsys.MkdirAll(to); err != nil {
			return fmt.Errorf("making room in the trash: %w", err)
		}
		moved[to], moved[path.Dir(name)] = true, true
		made.AddAbove(to)
	}
	if err := sync(made); err != nil {
		return fmt.Errorf("making the trash durable: %w", err)
	}
	for _, name := range names {
		if err := throw(fsys, name, path.Join(day, name)); err != nil {
			return fmt.Errorf("moving %s to the trash: %w", name, err)
		}
	}
	if err := sync(moved); err != nil {
		return fmt.Errorf("making the move to the trash durable: %w", err)
	}
	return nil
}

// throw gives a file a free name in the trash.
func throw(fsys durable.FS, name, to string) (err error) {
	for n := 1; n <= 100; n++ {
		free := to
		if n > 1 {
			free = fmt.Sprintf("%s-%d", to, n)
		}
		if err = fsys.Publish(name, free); !errors.Is(err, fs.ErrExist) {
			break
		}
	}
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return err
}

// Days returns the days on which files were removed.
func Days(fsys durable.Reader) (days []time.Time, err error) {
	entries, err := fsys.ReadDir(Dir)
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

// Empty deletes the files that were removed on a day.
func Empty(fsys durable.FS, day time.Time) error {
	name := path.Join(Dir, day.Format(time.DateOnly))
	if err := removeTree(fsys, name); err != nil {
		return fmt.Errorf("emptying %s: %w", name, err)
	}
	return fsys.SyncDir(Dir)
}

// EmptyOld deletes the files that were removed on days that ended longer ago than age,
// unless it is a dry run, and calls each with these days.
func EmptyOld(fsys durable.FS, age time.Duration, dryRun bool, each func(day time.Time)) error {
	days, err := Days(fsys)
	if err != nil {
		return err
	}
	for _, day := range days {
		if time.Since(day.AddDate(0, 0, 1)) < age { // the day must have ended
			continue
		}
		if !dryRun {
			if err := Empty(fsys, day); err != nil {
				return err
			}
		}
		each(day)
	}
	return nil
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
