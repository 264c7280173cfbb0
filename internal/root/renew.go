package root

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket"
)

// again repeats an attempt that another writer preempted, after a pause that grows and is
// random.
func again(ctx context.Context, attempt func() error) error {
	const (
		attempts = 30
		first    = 10 * time.Millisecond
		longest  = time.Second
	)
	for n := range attempts {
		err := attempt()
		if !errors.Is(err, bucket.ErrChanged) && !errors.Is(err, bucket.ErrExists) || n == attempts-1 {
			return err
		}
		if err := sleep(ctx, rand.N(min(longest, first<<n))); err != nil {
			return err
		}
	}
	panic("unreachable")
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// renew renews the lease until the session ends. A failure is not a reason to stop: only
// another writer is, and the root names that one.
func (s *Session) renew() {
	for sleep(s.ctx, s.cfg.TTL/3) == nil {
		switch err := s.renewOnce(s.ctx); {
		case errors.Is(err, ErrFenced):
			s.end(err)
		case err != nil && s.ctx.Err() == nil:
			s.cfg.Log.Warn("the lease could not be renewed; if it expires, another writer may take over", "store", s.cfg.Bucket.String(), "err", err)
		}
	}
}

func (s *Session) renewOnce(ctx context.Context) error {
	return again(ctx, func() error {
		l, when, err := readLease(ctx, s.cfg.Bucket)
		if err != nil {
			return err
		}
		mine := l.of(s.word)
		if mine == nil {
			return s.retake(ctx, l, when)
		}
		mine.Until = time.Now().Add(s.cfg.TTL).UTC()
		return l.put(ctx, s.cfg.Bucket, when)
	})
}

// retake adds a lease again whose object is gone: someone removed it by hand, or another
// writer has taken over, and is in the root or will be soon.
func (s *Session) retake(ctx context.Context, l *lease, when bucket.Condition) error {
	now, err := readOrNone(ctx, s.cfg.Bucket)
	if err != nil {
		return err
	}
	if now.root.Writers[s.cfg.Shard].Epoch != s.epoch {
		return now.root.fenced()
	}
	for _, h := range l.Holders {
		if excludes(s.cfg.Shard, h.Shard) {
			return fencedBy(h.Owner)
		}
	}
	l.take(s.cfg.Holder, s.word, s.epoch, time.Now().Add(s.cfg.TTL))
	l.Epoch = max(l.Epoch, now.root.Epoch)
	return l.put(ctx, s.cfg.Bucket, when)
}

// end removes the lease of a session.
func (l *lease) end(word string) {
	l.Holders = slices.DeleteFunc(l.Holders, func(h hold) bool { return h.Word == word })
}
