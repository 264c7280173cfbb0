package loose

import (
	"fmt"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

var _ store.Sharer = (*spill)(nil)

// spill is a file in tmp/ that will get a final name. It belongs to one goroutine until Put
// takes it.
type spill struct {
	*durable.Staged
	size  int64 // written
	taken bool  // Put owns the file now, or it was discarded
}

// NewSpill implements store.Writer.
func (s *Store) NewSpill() (store.Spill, error) { return s.newSpill("") }

func (s *Store) newSpill(left string) (*spill, error) {
	f, err := s.batch.CreateAs(left)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", store.ErrUnusable, err)
	}
	return &spill{Staged: f}, nil
}

func (sp *spill) Write(p []byte) (int, error) {
	n, err := sp.Staged.Write(p)
	sp.size += int64(n)
	return n, err
}

// Clone implements store.Sharer.
func (sp *spill) Clone(f durable.File) (size int64, err error) {
	if err := sp.Staged.Clone(f); err != nil {
		return 0, err
	}
	info, err := sp.Stat() // of the clone: f may have grown meanwhile
	if err == nil {
		sp.size = info.Size()
	}
	return sp.size, err
}

// Link implements store.Sharer.
func (sp *spill) Link(f durable.File, size int64) error {
	err := sp.Staged.Link(f)
	if err == nil {
		sp.size = size
	}
	return err
}

// Reset implements store.Spill.
func (sp *spill) Reset() error {
	sp.size = 0
	return sp.Staged.Reset()
}

// Discard implements store.Spill.
func (sp *spill) Discard() error {
	if sp.taken {
		return nil
	}
	sp.taken = true
	return sp.Staged.Discard()
}
