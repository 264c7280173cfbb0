package loose

import (
	"context"
	"errors"
	"io/fs"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

// Checkpoint implements store.Writer. Puts may run meanwhile; they belong to the next one.
func (s *Store) Checkpoint(ctx context.Context) (store.Outcome, error) {
	s.mu.Lock()
	ids, files := s.ids, s.files
	s.ids, s.files = nil, nil
	s.mu.Unlock()
	var done store.Outcome
	if err := s.batch.Commit(ctx, files, s.publish); err != nil {
		return done, err
	}
	for i, f := range files {
		if f.Err != nil {
			done.Refused = append(done.Refused, store.Refusal{ID: ids[i], Err: f.Err})
		}
	}
	return done, nil
}

// publish gives a file a name that is free, or that has the same bytes already: if another
// writer was faster with the same crate, that is not an error.
func (s *Store) publish(temp, name string) error {
	err := s.fsys.Publish(temp, name)
	if errors.Is(err, fs.ErrExist) && s.sameBytes(temp, name) {
		if err = durable.SyncFile(s.fsys, name); err == nil {
			err = s.fsys.Remove(temp)
		}
	}
	return err
}

func (s *Store) sameBytes(a, b string) bool {
	sumA, errA := s.hash(a)
	sumB, errB := s.hash(b)
	return errA == nil && errB == nil && sumA == sumB
}

func (s *Store) hash(name string) (sum crate.Checksum, err error) {
	f, err := s.fsys.Open(name)
	if err != nil {
		return sum, err
	}
	defer f.Close()
	sum, _, err = crate.Hash(f)
	return sum, err
}
