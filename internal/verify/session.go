package verify

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/home"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/plan"
)

// Session is a mirror opened for verification, by one process at a time, with its cursor.
type Session struct {
	*home.Reader
	Cursor Cursor
	Found  []Problem // the first problem of each bad row, at most MaxBad

	TarsOnly bool        // see Config
	Shard    crate.Shard // see Config

	state durable.FS
	lock  *durable.Lockfile // nil: the mirror is read-only
}

// Keeps reports whether the next session resumes where this one stops, which needs a
// writable mirror.
func (s *Session) Keeps() bool { return s.lock != nil }

// With opens a mirror, calls do, and durably records the progress. disk wraps the folder of
// the state, and owner is recorded in the lock as its holder.
func With(ctx context.Context, d *home.Dirs, disk func(durable.FS) durable.FS, owner durable.Owner, log *slog.Logger, do func(*Session) error) (s *Session, err error) {
	s = new(Session)
	if s.Reader, err = home.OpenReader(ctx, d); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.Reader.Close()) }()
	state, err := durable.Open(d.State())
	if err != nil {
		return nil, err
	}
	s.state = disk(state)
	defer func() { err = errors.Join(err, s.state.Close()) }()
	if err := s.takeLock(d, owner, log); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.release()) }()
	if s.Cursor, err = ReadCursor(s.state); err != nil {
		return nil, err
	}
	err = do(s)
	return s, errors.Join(err, s.keepCursor())
}

// takeLock prevents two runs with one cursor. A read-only medium, or another user's mirror,
// is verified without lock and cursor.
func (s *Session) takeLock(d *home.Dirs, owner durable.Owner, log *slog.Logger) (err error) {
	s.lock, err = durable.Lock(d.VerifyLock(), owner)
	if errors.Is(err, durable.ErrReadOnly) || errors.Is(err, fs.ErrPermission) {
		log.Info("the mirror is read-only: verifying it without a checkpoint; a stopped run begins again at the first crate", "out", d.Crates)
		return nil
	}
	return err
}

func (s *Session) release() error {
	if s.lock == nil {
		return nil
	}
	return s.lock.Release()
}

func (s *Session) keepCursor() error {
	if s.lock == nil {
		return nil
	}
	return s.Cursor.Write(s.state)
}

// note records a problem. The copies of the same bytes come one after the other.
func (s *Session) note(p Problem) {
	if n := len(s.Found); n < MaxBad && (n == 0 || s.Found[n-1].Key() != p.Key()) {
		s.Found = append(s.Found, p)
	}
}

// Bad separates versions that can be downloaded again from earlier bytes, which cannot.
func (s *Session) Bad() (entries []plan.Item, superseded []crate.Key) {
	for i := range s.Found {
		p := &s.Found[i]
		if p.SupersededAt.IsZero() {
			entries = append(entries, plan.Item{ID: p.ID, Checksum: p.Checksum})
		} else {
			superseded = append(superseded, p.Key())
		}
	}
	return entries, superseded
}

// advance records the progress of a run.
func (s *Session) advance(sum *Summary) {
	ids := make([]crate.ID, len(s.Found))
	for i := range s.Found {
		ids[i] = s.Found[i].ID
	}
	s.Cursor.Advance(sum, ids, time.Now().UTC())
}

// Sweep does one run over what is held, from where the last one stopped. If slice is not 0, it ends
// without an error after that time. It calls found with each problem.
func (s *Session) Sweep(ctx context.Context, slice time.Duration, progress *Progress, found func(Problem) error) (*Summary, error) {
	if slice > 0 {
		limited, stop := context.WithTimeoutCause(ctx, slice, errSliceEnds)
		defer stop()
		ctx = limited
	}
	sum, err := Run(ctx, Config{
		Catalog: s.Catalog, Store: s.Store, Again: s.Cursor.Bad, After: s.Cursor.After, Progress: progress, TarsOnly: s.TarsOnly, Shard: s.Shard,
		Found: func(p Problem) error { s.note(p); return found(p) },
	})
	s.advance(sum)
	if errors.Is(err, errSliceEnds) {
		err = nil
	}
	return sum, err
}

// Begin begins a sweep at the first version, unless the last one was stopped and is to be
// resumed.
func (s *Session) Begin(restart bool) {
	if restart || s.Cursor.Begun.IsZero() || s.lock == nil || s.Cursor.Shard != s.Shard.String() {
		s.Cursor.Begin(s.Shard, time.Now().UTC())
	}
}

// errSliceEnds means that the slice of time is over.
var errSliceEnds = errors.New("-max-duration is over")

// LookAgain verifies bad versions again, after a repair.
func (s *Session) LookAgain(ctx context.Context) error {
	sum, err := Again(ctx, Config{
		Catalog: s.Catalog, Store: s.Store, Again: s.Cursor.Bad, After: s.Cursor.After,
		Found: func(p Problem) error { s.note(p); return nil },
	})
	s.advance(sum)
	return err
}
