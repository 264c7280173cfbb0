package bundled

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

// Checkpoint implements store.Writer. Puts may run meanwhile; they belong to the next one.
// Bundles are always synced, whatever the durability of loose files, because it is one sync
// of one file.
func (s *Store) Checkpoint(ctx context.Context) (store.Outcome, error) {
	s.mu.Lock()
	full, current := s.full, s.current
	s.full = nil
	s.mu.Unlock()
	var done store.Outcome
	for _, p := range full {
		if err := s.finish(p, &done); err != nil {
			return done, fmt.Errorf("finishing %s: %w", p.name, err)
		}
	}
	if current != nil {
		if _, err := s.sync(current, &done); err != nil {
			return done, fmt.Errorf("making crates in %s durable: %w", current.name, err)
		}
	}
	loose, err := s.Loose.Checkpoint(ctx)
	done.Refused = append(done.Refused, loose.Refused...)
	return done, err
}

// sync makes durable what waits in p. If a write has failed, it refuses the waiting crates
// and returns false.
func (s *Store) sync(p *part, done *store.Outcome) (ok bool, err error) {
	s.mu.Lock()
	waiting := p.waiting
	p.waiting = nil
	s.mu.Unlock()
	err = p.Sync()
	if err == nil || !errors.Is(err, bundle.ErrBroken) {
		return err == nil, err
	}
	refuse(waiting, err, done)
	return false, nil
}

func refuse(ids []crate.ID, err error, done *store.Outcome) {
	for _, id := range ids {
		done.Refused = append(done.Refused, store.Refusal{ID: id, Err: err})
	}
}

// finish finishes a full bundle. After a failed write, a bundle stays unfinished.
func (s *Store) finish(p *part, done *store.Outcome) error {
	if ok, err := s.sync(p, done); err != nil || !ok {
		return errors.Join(err, p.Close())
	}
	if p.members.n == 0 { // begun, but nothing was added
		return errors.Join(p.Close(), s.cfg.Folder.Remove(p.name.String()+bundle.PartExt))
	}
	sum, err := p.Finish()
	if err == nil { // some systems cannot rename an open file
		err = s.readers.drop(p.name.String())
	}
	if err == nil {
		err = p.Publish()
	}
	if err == nil {
		err = s.describe(p.name, sum, p.members.all())
	}
	if err != nil {
		return errors.Join(err, p.Close())
	}
	done.Finished = append(done.Finished, finished(p.name, sum))
	return nil
}

func finished(name bundle.Name, sum bundle.Summary) store.Bundle {
	return store.Bundle{Name: name.String(), Entries: sum.Members, Bytes: sum.Size, Checksum: sum.Checksum}
}

// Finish implements store.Finisher: it leaves no bundle unfinished, however small, so that
// the folder can be copied elsewhere.
func (s *Store) Finish(ctx context.Context) (store.Outcome, error) {
	s.mu.Lock()
	if s.current != nil {
		s.rotate()
	}
	s.mu.Unlock()
	return s.Checkpoint(ctx)
}

// Take gives a bundle that was carried here a free number, writes the files beside it, and
// records its members in the catalog. file is its name in the folder until then. The caller
// has read it to its last byte; members may be called several times.
func (s *Store) Take(ctx context.Context, file string, sum bundle.Summary, members func() iter.Seq2[bundle.Member, error]) (store.Bundle, error) {
	b, err := s.take(ctx, file, sum, members)
	if err != nil {
		err = fmt.Errorf("taking bundle %s: %w", file, err)
	}
	return b, err
}

func (s *Store) take(ctx context.Context, file string, sum bundle.Summary, members func() iter.Seq2[bundle.Member, error]) (b store.Bundle, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	named, err := s.nextName()
	if err != nil {
		return b, err
	}
	name := named.String()
	if err = s.cfg.Folder.Publish(file, name); err == nil {
		err = s.cfg.Folder.SyncDir(".")
	}
	if err != nil {
		return b, err
	}
	var failed error
	all := func(yield func(bundle.Member) bool) {
		for m, err := range members() {
			if failed = err; err != nil || !yield(m) {
				return
			}
		}
	}
	if err := s.describe(named, sum, all); err != nil || failed != nil {
		return b, errors.Join(err, failed)
	}
	a := adoption{s.cfg.Folder, s.cfg.Catalog, s.cfg.Log}
	if err := a.adopt(ctx, name, all); err != nil || failed != nil {
		err = errors.Join(failed, err)
		return b, err
	}
	b = finished(named, sum)
	return b, s.cfg.Catalog.Adopted(ctx, b)
}
