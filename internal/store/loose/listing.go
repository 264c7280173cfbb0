package loose

import (
	"errors"
	"io/fs"
	"path"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

// Listing is the store's store.Listing. It lists whole folders to answer Stat, which costs
// one system call per file instead of four: the crates of a folder are neighbours in the
// order of an index.
type Listing struct {
	store *Store
	dirs  map[string]map[string]fs.DirEntry
	order []string // of arrival
}

// folders is the number of folders in a Listing: neighbours in the index whose first
// letters differ in case are in different folders.
const folders = 8

// NewListing implements store.Lister.
func (s *Store) NewListing() (store.Listing, error) {
	return &Listing{store: s, dirs: map[string]map[string]fs.DirEntry{}}, nil
}

// Stat does what store.Reader's Stat does.
func (l *Listing) Stat(id crate.ID) (int64, error) {
	dir, err := l.dir(crate.LooseDir(id.Name))
	if err != nil {
		return 0, err
	}
	e, ok := dir[id.FileName()]
	if !ok {
		return 0, &fs.PathError{Op: "stat", Path: id.LoosePath(), Err: fs.ErrNotExist}
	}
	info, err := e.Info()
	if err != nil {
		return 0, err
	}
	return sizeOf(info, id)
}

// Holds implements store.Listing.
func (l *Listing) Holds(id crate.ID, at store.Placement, size int64) bool {
	if !at.Loose || at.Bundle != "" {
		return false // nowhere, or outside this store
	}
	if at.Republished != "" { // few are, and they are not neighbours
		info, err := l.store.fsys.Stat(at.LoosePath(id))
		return err == nil && info.Mode().IsRegular() && info.Size() == size
	}
	have, err := l.Stat(id)
	return err == nil && have == size
}

func (l *Listing) dir(name string) (map[string]fs.DirEntry, error) {
	if dir, ok := l.dirs[name]; ok {
		return dir, nil
	}
	entries, err := l.store.fsys.ReadDir(name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if len(l.order) == folders {
		delete(l.dirs, l.order[0])
		l.order = l.order[1:]
	}
	dir := make(map[string]fs.DirEntry, len(entries))
	for _, e := range entries {
		if path.Ext(e.Name()) == crate.Ext {
			dir[e.Name()] = e
		}
	}
	l.dirs[name] = dir
	l.order = append(l.order, name)
	return dir, nil
}
