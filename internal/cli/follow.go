package cli

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/stream"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/verdict"
)

// errReopen ends a session after which the next round needs a new one: what it
// has open may be the reason why the last round failed.
var errReopen = errors.New("the next round opens the mirror anew")

// follow makes rounds until ctx ends. It gives up only where a person must look
// and no later round can do better: if the mirror cannot be opened in the first
// place, if the index is somebody's own repository, if what reads the manifest has
// gone, or if the -index-url that was given has never answered, which is more likely
// a wrong address than an outage.
func (s *syncer) follow(ctx context.Context) error {
	for opened := false; ; {
		err := s.app.session(ctx, s.session, func(open *session) error {
			opened, s.session = true, *open
			return s.rounds(ctx)
		})
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case errors.Is(err, errReopen):
			continue
		case !opened, s.isHopeless(err):
			return err
		}
		s.failed(err)
		if err := s.wait(ctx, s.backoff()); err != nil {
			return err
		}
	}
}

func (s *syncer) isHopeless(err error) bool {
	silent := errors.As(err, new(*index.StalledError)) && s.cfg.indexURL != "" && !s.answered
	return silent || errors.As(err, new(*index.ForeignError)) || errors.As(err, new(*stream.Error))
}

// rounds makes rounds on an open mirror, until one cannot go on.
func (s *syncer) rounds(ctx context.Context) error {
	for {
		s.act.round(func(r *rounds) { r.next = time.Time{} })
		start := time.Now()
		err := s.round(ctx)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if s.isHopeless(err) {
			return err
		}
		if errors.Is(err, catalog.ErrDamaged) {
			s.base = nil
			return err
		}
		if err != nil && !verdict.Is(err) {
			s.failed(err)
			if err := s.wait(ctx, s.backoff()); err != nil {
				return err
			}
			return errReopen
		}
		s.came(err, time.Since(start))
		if err := s.wait(ctx, s.cfg.every); err != nil {
			return err
		}
	}
}

// came notes a round that came to its end. What was accepted once is not
// accepted for ever.
func (s *syncer) came(verdict error, took time.Duration) {
	s.cfg.acceptShrink = false
	s.act.round(func(r *rounds) { r.failures, r.last, r.good = 0, verdict, time.Now() })
	if s.summary == nil {
		s.log.Debug("nothing new", "took", took)
		return
	}
	logSummary(s.log, s.summary, &s.cfg.runConfig)
	if verdict != nil {
		s.log.Warn("the mirror is not as it should be", "err", verdict)
	}
}

func (s *syncer) failed(err error) {
	s.act.round(func(r *rounds) { r.failures++; r.last = err })
	s.log.Error("this round could not go on; nothing is lost, the next one tries again", "err", err)
}

// firstBackoff is the wait after one failure, doubled with each, up to -every.
const firstBackoff = 15 * time.Second

func (s *syncer) backoff() time.Duration {
	n := min(s.act.following().failures, 20) // 15 s << 19 is half a year
	return min(s.cfg.every, firstBackoff<<(n-1))
}

// wait waits for the next round, a tenth more or less, so that the mirrors of
// the world do not come all at once. It fails when ctx ends.
func (s *syncer) wait(ctx context.Context, d time.Duration) error {
	d += time.Duration((rand.Float64() - 0.5) / 5 * float64(d))
	s.act.enter("waiting", "")
	s.act.round(func(r *rounds) { r.next = time.Now().Add(d) })
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
