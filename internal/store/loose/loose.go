// Package loose keeps crates as one file each, in the shard layout of
// [crate.ID.LoosePath], below a folder that also holds
//
//	.clonecratesio/tmp/   files being written, in folders 0 to f; emptied when
//	                      the store is opened
//	quarantine/           what was found under a crate's name and is not it
//	republished/          bytes that versions had before they were published
//	                      again, under [crate.ID.RepublishedPath]
//
// # From bytes to a name
//
// A crate is written to tmp/ and waits there. Checkpoint syncs the file system
// once for all that wait, renames them to their final names (never onto
// another file), and syncs once more. So a final name never shows bytes that a
// power cut could take away, at the cost of two syncs for thousands of crates.
// Where a file system cannot be synced as a whole, and with [PerFile], each
// file is synced by itself.
package loose

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"sync"
	"sync/atomic"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

// StateDir is the folder in which a mirror keeps what is not crates, QuarantineDir
// that of what was found or came under a crate's name and is not it.
const (
	StateDir      = ".clonecratesio"
	QuarantineDir = "quarantine"
)

const tempDir = StateDir + "/tmp"

// Durability says when bytes are forced to the disk.
type Durability int

const (
	Batch   Durability = iota // at each Checkpoint, for all files at once
	PerFile                   // each file as it is written, names at Checkpoint
	None                      // never: a power cut may take anything
)

// Store is a folder of loose crates. It implements the whole of
// package store.
type Store struct {
	fsys    durable.FS
	mode    Durability
	temps   atomic.Uint64
	mu      sync.Mutex
	waiting []waiting // written, not yet published; guarded by mu
	adopted []string  // paths of what was found, not yet known to be durable; guarded by mu
}

type waiting struct {
	id         crate.ID
	temp, name string
}

var (
	_ store.Writer      = (*Store)(nil)
	_ store.Reader      = (*Store)(nil)
	_ store.Quarantiner = (*Store)(nil)
	_ store.Lister      = (*Store)(nil)
	_ store.Remover     = (*Store)(nil)
	_ store.Republisher = (*Store)(nil)
)

// Open opens the store for writing and clears away what an earlier process left
// in tmp/. The caller holds the mirror's lock.
func Open(fsys durable.FS, mode Durability) (*Store, error) {
	for n := range uint64(tempDirs) {
		if err := fsys.MkdirAll(path.Dir(tempName(n))); err != nil {
			return nil, fmt.Errorf("opening loose store: %w", err)
		}
	}
	if err := clear(fsys, tempDir, func(string) bool { return true }); err != nil {
		return nil, fmt.Errorf("clearing temporary files of an earlier run: %w", err)
	}
	if err := clear(fsys, QuarantineDir, durable.IsTemp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("clearing temporary files of an earlier run: %w", err)
	}
	return &Store{fsys: fsys, mode: mode}, nil
}

// clear removes the files in and below a folder whose names are chosen.
func clear(fsys durable.FS, dir string, chosen func(name string) bool) error {
	entries, err := fsys.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		name := path.Join(dir, e.Name())
		switch {
		case e.IsDir():
			err = clear(fsys, name, chosen)
		case chosen(e.Name()):
			err = fsys.Remove(name)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// OpenReadOnly opens the store for reading, and for Settle; it touches nothing
// else.
func OpenReadOnly(fsys durable.FS) *Store { return &Store{fsys: fsys} }

// Put implements store.Writer.
func (s *Store) Put(_ context.Context, id crate.ID, body store.Body) (store.Placement, error) {
	if err := s.put(id, id.LoosePath(), body); err != nil {
		return store.Placement{}, err
	}
	return store.Placement{Loose: true}, nil
}

// put makes a body a file that waits for its name.
func (s *Store) put(id crate.ID, name string, body store.Body) error {
	sp, err := s.take(body, s.mode == PerFile)
	if err != nil {
		return fmt.Errorf("storing %s: %w", id, err)
	}
	s.mu.Lock()
	s.waiting = append(s.waiting, waiting{id, sp.name, name})
	s.mu.Unlock()
	return nil
}

// take makes a body a finished file of tmp/.
func (s *Store) take(body store.Body, sync bool) (*spill, error) {
	sp, ok := body.Spill.(*spill)
	if !ok {
		var err error
		if sp, err = s.newSpill(); err != nil {
			return nil, err
		}
		if _, err := sp.Write(body.Data); err != nil {
			return nil, errors.Join(err, sp.Discard())
		}
	}
	if sp.size != body.Size {
		err := fmt.Errorf("the body has %d bytes, %d were promised", sp.size, body.Size)
		return nil, errors.Join(err, sp.Discard())
	}
	if err := sp.finish(sync); err != nil {
		return nil, errors.Join(err, sp.Discard())
	}
	return sp, nil
}

// Adopt implements store.Writer.
func (s *Store) Adopt(id crate.ID) { s.adopt(id.LoosePath()) }

func (s *Store) adopt(name string) {
	s.mu.Lock()
	s.adopted = append(s.adopted, name)
	s.mu.Unlock()
}

// Stat implements store.Reader.
func (s *Store) Stat(id crate.ID) (int64, error) {
	info, err := s.fsys.Stat(id.LoosePath())
	if err != nil {
		return 0, err
	}
	return sizeOf(info, id)
}

func sizeOf(info fs.FileInfo, id crate.ID) (int64, error) {
	if !info.Mode().IsRegular() {
		return 0, &fs.PathError{Op: "stat", Path: id.LoosePath(), Err: durable.ErrNotRegular}
	}
	return info.Size(), nil
}

// Open implements store.Reader.
func (s *Store) Open(id crate.ID, at store.Placement) (store.Content, error) {
	f, err := s.fsys.Open(at.LoosePath(id))
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return content{f, info.Size()}, nil
}

type content struct {
	durable.File
	size int64
}

func (c content) Size() int64 { return c.size }

// State tells what was read of the file from what it may become.
func (c content) State() (durable.State, error) { return durable.StateOf(c.File) }

// OnDisk returns the file, which is the crate and nothing else: it can be
// linked.
func (c content) OnDisk() durable.File { return c.File }

// tempDirs is the number of folders in tmp/. A batch in one folder costs a tenth
// more system time: every name that is looked up, added or removed is searched for
// among its neighbours, and only one goroutine at a time can do any of it.
const tempDirs = 16

// tempName returns the n-th name of this process. The folders were empty when the
// store was opened, and nobody else writes there.
func tempName(n uint64) string {
	return fmt.Sprintf("%s/%x/%016x", tempDir, n%tempDirs, n)
}
