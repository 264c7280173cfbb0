package loose

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"runtime"
	"slices"
	"sync"
	"syscall"

	"golang.org/x/sync/errgroup"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

// Checkpoint implements store.Writer. Puts go on beside it; they belong to the
// next one.
func (s *Store) Checkpoint(ctx context.Context) (store.Outcome, error) {
	s.mu.Lock()
	batch := s.waiting
	s.waiting = nil
	s.mu.Unlock()
	if len(batch) == 0 {
		return store.Outcome{}, nil
	}
	if err := s.syncTemps(batch); err != nil {
		return store.Outcome{}, fmt.Errorf("making %d crates durable: %w", len(batch), err)
	}
	// Neighbours in the tree share folders, and the order of renames is one
	// that can be told.
	slices.SortFunc(batch, func(a, b waiting) int { return cmp.Compare(a.id.LoosePath(), b.id.LoosePath()) })
	refused, err := s.publish(ctx, batch)
	if err != nil {
		return store.Outcome{}, err
	}
	if err := s.syncNames(batch); err != nil {
		return store.Outcome{}, fmt.Errorf("making the names of %d crates durable: %w", len(batch), err)
	}
	return store.Outcome{Refused: refused}, nil
}

// syncTemps makes the bytes of the batch durable, before they get names.
func (s *Store) syncTemps(batch []waiting) error {
	if s.mode != Batch {
		return nil // PerFile did it in Put
	}
	err := s.fsys.SyncAll()
	if !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	for _, w := range batch {
		if err := s.syncFile(w.temp); err != nil {
			return fmt.Errorf("%s: %w", w.id, err)
		}
	}
	return nil
}

func (s *Store) syncFile(name string) error {
	f, err := s.fsys.Append(name) // some systems sync only files open for writing
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// publish gives every crate of the batch its name, in parallel. A name that is
// taken by something else is a refusal; a disk that fails is an error.
func (s *Store) publish(ctx context.Context, batch []waiting) ([]store.Refusal, error) {
	var mu sync.Mutex
	var refused []store.Refusal
	g, ctx := errgroup.WithContext(ctx)
	for part := range slices.Chunk(batch, len(batch)/(2*runtime.GOMAXPROCS(0))+1) {
		g.Go(func() error {
			for _, w := range part {
				err := s.publishOne(w)
				if isFatal(err) || ctx.Err() != nil {
					return fmt.Errorf("publishing %s: %w", w.id, cmp.Or(err, ctx.Err()))
				}
				if err != nil {
					mu.Lock()
					refused = append(refused, store.Refusal{ID: w.id, Err: err})
					mu.Unlock()
				}
			}
			return nil
		})
	}
	err := g.Wait()
	return refused, err
}

// isFatal tells what is wrong with the disk from what is wrong with one name.
func isFatal(err error) bool {
	return errors.Is(err, durable.ErrNoSpace) || errors.Is(err, durable.ErrReadOnly) || errors.Is(err, syscall.EIO)
}

func (s *Store) publishOne(w waiting) error {
	name := w.id.LoosePath()
	if err := s.fsys.MkdirAll(path.Dir(name)); err != nil {
		return errors.Join(err, s.fsys.Remove(w.temp))
	}
	err := s.fsys.Publish(w.temp, name)
	if err == nil {
		return nil
	}
	if errors.Is(err, fs.ErrExist) && s.sameBytes(w.temp, name) {
		err = nil // somebody was faster with the same crate: that is success
	}
	return errors.Join(err, s.fsys.Remove(w.temp))
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
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return sum, err
	}
	h.Sum(sum[:0])
	return sum, nil
}

// syncNames makes the new names durable, and those of folders made for them.
func (s *Store) syncNames(batch []waiting) error {
	dirs := map[string]bool{tempDir: true, ".": true}
	for _, w := range batch {
		for dir := path.Dir(w.id.LoosePath()); dir != "."; dir = path.Dir(dir) {
			dirs[dir] = true
		}
	}
	return s.syncDirs(dirs)
}
