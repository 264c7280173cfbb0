package loose

import (
	"errors"
	"fmt"
	"io"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

// spill is a file in tmp/ on its way to a final name. It belongs to one
// goroutine until Put takes it.
type spill struct {
	store *Store
	name  string
	file  durable.File // nil once finished or discarded
	size  int64        // written
	taken bool         // Put owns the file now
}

// NewSpill implements store.Writer.
func (s *Store) NewSpill() (store.Spill, error) { return s.newSpill() }

func (s *Store) newSpill() (*spill, error) {
	name := tempName(s.temps.Add(1))
	f, err := s.fsys.Create(name)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", store.ErrUnusable, err)
	}
	return &spill{store: s, name: name, file: f}, nil
}

func (sp *spill) Write(p []byte) (int, error) {
	n, err := sp.file.Write(p)
	sp.size += int64(n)
	return n, err
}

func (sp *spill) ReadAt(p []byte, off int64) (int, error) { return sp.file.ReadAt(p, off) }

// Reset implements store.Spill.
func (sp *spill) Reset() error {
	if err := sp.file.Truncate(0); err != nil {
		return err
	}
	sp.size = 0
	_, err := sp.file.Seek(0, io.SeekStart)
	return err
}

// finish closes the file, synced if asked, and makes it the store's. An error
// of Close counts: some file systems report a full disk no earlier (C16).
func (sp *spill) finish(sync bool) error {
	f := sp.file
	sp.file = nil
	if sync {
		if err := f.Sync(); err != nil {
			return errors.Join(err, f.Close())
		}
	}
	if err := f.Close(); err != nil {
		return err
	}
	sp.taken = true
	return nil
}

// Discard implements store.Spill.
func (sp *spill) Discard() error {
	if sp.taken {
		return nil
	}
	sp.taken = true
	var err error
	if sp.file != nil {
		err, sp.file = sp.file.Close(), nil
	}
	return errors.Join(err, sp.store.fsys.Remove(sp.name))
}
