// Package loose stores crates as one file each, in the shard layout of
// [crate.ID.LoosePath], below a folder that also has
//
//	.clonecratesio/tmp/   files being written, in folders 0 to f; emptied when
//	                      the store is opened (left.go)
//	quarantine/           what was found under a crate's name and is not it
//	republished/          bytes that versions had before they were published
//	                      again, under [crate.ID.RepublishedPath]
//
// A crate is written to tmp/ and waits there until Checkpoint commits a [durable.Batch].
package loose

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/extent"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

// StateDir is the folder of a mirror's files other than crates; QuarantineDir is the folder
// of files that claim to be a crate but are not.
const (
	StateDir      = ".clonecratesio"
	QuarantineDir = "quarantine"
)

const tempDir = StateDir + "/tmp"

// Durability says when bytes are forced to the disk.
type Durability = durable.Durability

const (
	Batch   = durable.Together // at each Checkpoint, for all files at once
	PerFile = durable.PerFile  // each file as it is written, names at Checkpoint
	None    = durable.Never    // never: a power failure may lose anything
)

// Store is a folder of loose crates. It implements all of package store.
type Store struct {
	fsys  durable.FS
	mode  Durability
	batch *durable.Batch
	mu    sync.Mutex        // guards what follows
	ids   []crate.ID        // of files
	files []*durable.Staged // written but not published, or found but perhaps not durable
}

var (
	_ store.Writer      = (*Store)(nil)
	_ store.Reader      = (*Store)(nil)
	_ store.Quarantiner = (*Store)(nil)
	_ store.Lister      = (*Store)(nil)
	_ store.Remover     = (*Store)(nil)
	_ store.Republisher = (*Store)(nil)
)

// Open opens the store for writing. It gives the complete crates that an earlier process
// left in tmp/ their names, and removes the rest. The caller holds the mirror's lock.
func Open(fsys durable.FS, mode Durability) (*Store, error) {
	s := newStore(fsys, mode)
	err := s.takeUp()
	if err == nil {
		err = s.batch.Clear()
	}
	if err == nil {
		err = durable.RemoveFiles(fsys, QuarantineDir, durable.IsTemp)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("clearing temporary files of an earlier run: %w", err)
	}
	return s, nil
}

// OpenReadOnly opens the store for reading, and for Settle; it changes nothing else.
func OpenReadOnly(fsys durable.FS) *Store { return newStore(fsys, Batch) }

func newStore(fsys durable.FS, mode Durability) *Store {
	return &Store{fsys: fsys, mode: mode, batch: durable.NewBatch(fsys, tempDir, mode)}
}

// Put implements store.Writer.
func (s *Store) Put(_ context.Context, id crate.ID, body store.Body) (store.Placement, error) {
	left := ""
	if body.Checksum != (crate.Checksum{}) {
		left = id.KeyedName(body.Checksum.FileKey())
	}
	if err := s.put(id, id.LoosePath(), left, body); err != nil {
		return store.Placement{}, err
	}
	return store.Placement{Loose: true}, nil
}

// put makes a body a file that waits for its name, in tmp/ under the name left if possible,
// by which it is found after a kill; if left is empty, it is not.
func (s *Store) put(id crate.ID, name, left string, body store.Body) error {
	sp, err := s.take(body, name, left)
	if err != nil {
		return fmt.Errorf("storing %s: %w", id, err)
	}
	s.wait(id, sp.Staged)
	return nil
}

func (s *Store) wait(id crate.ID, f *durable.Staged) {
	s.mu.Lock()
	s.ids, s.files = append(s.ids, id), append(s.files, f)
	s.mu.Unlock()
}

// take makes a body a finished file of tmp/. A spill is renamed if it needs the name left;
// spills are few and large.
func (s *Store) take(body store.Body, name, left string) (*spill, error) {
	sp, ok := body.Spill.(*spill)
	if !ok {
		var err error
		if sp, err = s.newSpill(left); err != nil {
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
	sp.taken = true // also if it fails: then nothing of it remains
	err := sp.Finish(name)
	if err == nil && ok && left != "" {
		sp.LeaveAs(left)
	}
	return sp, err
}

// Adopt implements store.Writer.
func (s *Store) Adopt(id crate.ID) { s.adopt(id, id.LoosePath()) }

func (s *Store) adopt(id crate.ID, name string) { s.wait(id, s.batch.StageFound("", name)) }

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
func (s *Store) Open(_ context.Context, key crate.Key, at store.Placement) (store.Content, error) {
	f, err := s.fsys.Open(at.LoosePath(key.ID))
	if err != nil {
		return nil, err
	}
	state, err := durable.StateOf(f)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return content{f, state}, nil
}

// Now returns the identity of what [Store.Open] would open, without opening it; zero if it
// cannot be known.
func (s *Store) Now(key crate.Key, at store.Placement) store.Identity {
	folder, ok := s.fsys.(store.Stater)
	if !ok {
		return store.Identity{}
	}
	state, err := folder.StateAt(at.LoosePath(key.ID))
	if err != nil {
		return store.Identity{}
	}
	return store.Identity{State: state}
}

// content is a file in the state in which it was opened.
type content struct {
	durable.File
	state durable.State
}

func (c content) Size() int64 { return c.state.Size }

// Identity implements store.Content.
func (c content) Identity() (store.Identity, error) { return store.Identity{State: c.state}, nil }

// Extents implements extent.Laid.
func (c content) Extents() (extent.File, []extent.Extent) { return extent.Whole(c.File, c.Size()) }

// OnDisk returns the file, which is exactly the crate, so it can be linked.
func (c content) OnDisk() durable.File { return c.File }
