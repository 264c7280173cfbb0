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
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

// Checkpoint implements store.Writer. Puts go on beside it; they belong to the
// next one.
func (s *Store) Checkpoint(ctx context.Context) (store.Outcome, error) {
	s.mu.Lock()
	batch, adopted := s.waiting, s.adopted
	s.waiting, s.adopted = nil, nil
	s.mu.Unlock()
	if len(batch) == 0 && len(adopted) == 0 {
		return store.Outcome{}, nil
	}
	if err := s.syncBytes(batch, adopted); err != nil {
		return store.Outcome{}, fmt.Errorf("making %d crates durable: %w", len(batch), err)
	}
	// Neighbours in the tree share folders, and the order of renames is one
	// that can be told. Of two that were put for one crate the first has it.
	slices.SortStableFunc(batch, func(a, b waiting) int { return strings.Compare(a.name, b.name) })
	first, again := partition(batch)
	refused, err := s.publish(ctx, first)
	if err != nil {
		return store.Outcome{}, err
	}
	more, err := s.publish(ctx, again)
	if err != nil {
		return store.Outcome{}, err
	}
	refused = append(refused, more...)
	if err := s.syncNames(batch, adopted); err != nil {
		return store.Outcome{}, fmt.Errorf("making the names of %d crates durable: %w", len(batch), err)
	}
	return store.Outcome{Refused: refused}, nil
}

// partition splits a sorted batch into the first of each crate and the others, of
// which there are seldom any.
func partition(batch []waiting) (first, again []waiting) {
	first = batch[:0:0]
	for i, w := range batch {
		if i > 0 && batch[i-1].name == w.name {
			again = append(again, w)
		} else {
			first = append(first, w)
		}
	}
	return first, again
}

// syncBytes makes the bytes of the batch durable, before they get names, and
// those that stood there already.
func (s *Store) syncBytes(batch []waiting, adopted []string) error {
	if s.mode == None {
		return nil
	}
	if s.mode == Batch {
		if err := s.fsys.SyncAll(); !errors.Is(err, errors.ErrUnsupported) {
			return err
		}
		for _, w := range batch { // with PerFile, Put did it
			if err := s.syncFile(w.temp); err != nil {
				return fmt.Errorf("%s: %w", w.id, err)
			}
		}
	}
	for _, name := range adopted {
		if err := s.syncPath(name); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// syncPath syncs a file that has its name, which is never opened for writing.
// Windows syncs no file that was not; there, who wrote it must have done it.
func (s *Store) syncPath(name string) error {
	f, err := s.fsys.Open(name)
	if err != nil {
		return err
	}
	err = f.Sync()
	if errors.Is(err, fs.ErrPermission) {
		err = nil
	}
	return errors.Join(err, f.Close())
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
				if durable.IsBroken(err) || ctx.Err() != nil {
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

func (s *Store) publishOne(w waiting) error {
	err := s.fsys.Publish(w.temp, w.name)
	if errors.Is(err, fs.ErrNotExist) { // the folder, nearly always there, is not
		if err = s.fsys.MkdirAll(path.Dir(w.name)); err == nil {
			err = s.fsys.Publish(w.temp, w.name)
		}
	}
	if err == nil {
		return nil
	}
	if errors.Is(err, fs.ErrExist) && s.sameBytes(w.temp, w.name) {
		err = s.syncPath(w.name) // somebody was faster with the same crate: that is success
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
func (s *Store) syncNames(batch []waiting, adopted []string) error {
	dirs := map[string]bool{".": true}
	for _, w := range batch {
		dirs[path.Dir(w.temp)] = true
		addDirs(dirs, w.name)
	}
	for _, name := range adopted {
		addDirs(dirs, name)
	}
	return s.syncDirs(dirs)
}

// addDirs adds the folders above name, but for the store itself.
func addDirs(dirs map[string]bool, name string) {
	for dir := path.Dir(name); dir != "." && !dirs[dir]; dir = path.Dir(dir) {
		dirs[dir] = true
	}
}
