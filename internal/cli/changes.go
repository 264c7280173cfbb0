package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/mirror"
)

// baseline is what earlier rounds of a sync have come to, so that the next one
// need not look at what has not changed since. It lives in memory: the first
// round of a process looks at everything.
type baseline struct {
	commit string    // of the index, mirrored but for
	again  []string  // the crates at these paths, which are tried again
	listed time.Time // when everything was last looked at
	whole  error     // the verdict of that run
	part   error     // the verdict of the last run since
}

// relist is how long a following sync believes that what it has mirrored is
// where it put it. Then it lists the folders again.
const relist = 24 * time.Hour

// verdict is what the mirror lacks, as far as is known.
func (b *baseline) verdict() error { return errors.Join(b.whole, b.part) }

// trusted reports whether the rounds since were enough to compare with.
func (b *baseline) trusted() bool {
	return b != nil && b.commit != "" && time.Since(b.listed) < relist && len(b.again) <= mirror.MaxAgain
}

// mirrorCrates mirrors what the index names: everything, or what has changed
// since the baseline, which may be nothing.
func (s *syncer) mirrorCrates(ctx context.Context) error {
	ix, err := index.Open(ctx, s.cfg.dirs.index, index.Options{Log: s.log})
	if err != nil {
		return err
	}
	defer ix.Close()
	source, next, err := s.compare(ctx, ix)
	if err != nil {
		return err
	}
	if source != nil {
		if err := s.mirrorFrom(ctx, source, next); err != nil {
			return err // the baseline holds: what was done since is no matter to it
		}
	}
	s.act.round(func(r *rounds) { r.index = index.Revision{Commit: ix.Commit(), Time: ix.CommitTime()} })
	return s.checkQuarantine()
}

// compare finds out what to look at, nil for nothing, and how that changes the
// baseline.
func (s *syncer) compare(ctx context.Context, ix *index.Index) (source mirror.Source, next func(*mirror.Summary), err error) {
	whole := func(sum *mirror.Summary) {
		s.base = &baseline{commit: ix.Commit(), again: sum.Again, listed: time.Now(), whole: verdict(sum, &s.cfg.runConfig)}
	}
	if !s.base.trusted() {
		return mirror.FromIndex(ix, nil), whole, nil
	}
	if ix.Commit() == s.base.commit && len(s.base.again) == 0 {
		return nil, nil, nil
	}
	changed, gone, err := ix.Changes(ctx, s.base.commit, s.base.again)
	if ctx.Err() != nil {
		return nil, nil, context.Cause(ctx)
	}
	if err != nil {
		s.log.Info("looking at the whole index", "reason", err)
		return mirror.FromIndex(ix, nil), whole, nil
	}
	return mirror.FromChanges(changed, gone), func(sum *mirror.Summary) {
		s.base.commit, s.base.again, s.base.part = ix.Commit(), sum.Again, verdict(sum, &s.cfg.runConfig)
	}, nil
}

func (s *syncer) mirrorFrom(ctx context.Context, source mirror.Source, next func(*mirror.Summary)) error {
	job := s.cfg.job(source, s.log)
	job.IncludeYanked = !s.cfg.excludeYanked
	job.KeepOpen, job.NewsOnly = s.cfg.every > 0, s.recorded
	s.recorded = true
	summary, err := s.run(ctx, job)
	s.summary = summary
	if err == nil {
		next(summary)
	}
	return err
}

// checkQuarantine tells, round by round, that somebody should look there.
func (s *syncer) checkQuarantine() error {
	n, err := s.store.Quarantined()
	if err == nil && n > 0 && s.summary == nil {
		s.log.Warn(fmt.Sprintf("%d files are in quarantine: look at them, then remove them", n))
	}
	return err
}
