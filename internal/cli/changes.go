package cli

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/mirror"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/plan"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/verdict"
)

// baseline is what earlier rounds of a sync have come to, so that the next one
// need not look at what has not changed since. It lives in memory: the first
// round of a process looks at everything.
type baseline struct {
	commit string    // of the index, mirrored but for
	again  []string  // the crates at these paths, which are tried again
	listed time.Time // when everything began to be looked at the last time
	whole  error     // what that run found lacking
	part   error     // what the last run since did
}

// relist is how long a following sync believes that what it has mirrored is
// where it put it. Then it lists the folders again.
const relist = 24 * time.Hour

// lacking is what the mirror lacks, as far as is known.
func (b *baseline) lacking() error { return errors.Join(b.whole, b.part) }

// trusted reports whether the rounds since were enough to compare with.
func (b *baseline) trusted() bool {
	return b != nil && b.commit != "" && time.Since(b.listed) < relist && len(b.again) <= mirror.MaxAgain
}

// mirrorCrates mirrors what the index names: everything, or what has changed
// since the baseline, which may be nothing.
func (s *syncer) mirrorCrates(ctx context.Context) error {
	ix, err := s.cfg.dirs.OpenIndex(ctx, s.log)
	if err != nil {
		return err
	}
	defer ix.Close()
	if err := s.cfg.origin.resolve(ctx, ix, s.log); err != nil {
		return err
	}
	work, err := s.compare(ctx, ix)
	if err != nil {
		return err
	}
	if work != nil {
		if err := s.mirrorFrom(ctx, work); err != nil {
			return err // the baseline holds: what was done since is no matter to it
		}
	}
	s.act.round(func(r *rounds) { r.index = index.Revision{Commit: ix.Commit(), Time: ix.CommitTime()} })
	return nil
}

// work is what a round is about.
type work struct {
	source plan.Source
	index  *index.Index          // that the source is made of: all of it, or what has changed
	next   func(*mirror.Summary) // changes the baseline
}

// compare finds out what to look at, nil for nothing.
func (s *syncer) compare(ctx context.Context, ix *index.Index) (*work, error) {
	again, err := s.again(ctx)
	if err != nil {
		return nil, err
	}
	known := s.base.trusted() && len(again) <= mirror.MaxAgain
	if known && ix.Commit() == s.base.commit && len(again) == 0 {
		return nil, nil
	}
	if known && !s.cfg.part.chooses() {
		changed, gone, err := ix.Changes(ctx, s.base.commit, again)
		if err == nil {
			return &work{plan.FromChanges(changed, gone), changed, func(sum *mirror.Summary) {
				s.base.commit, s.base.again, s.base.part = ix.Commit(), sum.Again, lacking(sum, &s.cfg.runConfig)
				if s.base.whole != nil && len(again) > 0 && len(sum.Again) == 0 {
					s.base.commit = "" // that may have been all that was lacking: the next round sees
				}
			}}, nil
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		s.log.Info("looking at the whole index", "reason", err)
	}
	begun := time.Now() // what is accepted from now on, the run may not see
	source, err := s.cfg.part.source(ctx, ix, nil, !s.cfg.excludeYanked, s.show, s.log)
	return &work{source, ix, func(sum *mirror.Summary) {
		s.base = &baseline{commit: ix.Commit(), again: sum.Again, listed: begun, whole: lacking(sum, &s.cfg.runConfig)}
	}}, err
}

// again returns the index paths of crates that are looked at although they have not
// changed: something of them failed, or a person has accepted other bytes of them.
func (s *syncer) again(ctx context.Context) ([]string, error) {
	if s.base == nil {
		return nil, nil
	}
	paths := slices.Clone(s.base.again)
	accepted, err := s.Catalog.AcceptedSince(ctx, s.base.listed, mirror.MaxAgain)
	for i := range accepted {
		paths = append(paths, crate.IndexPath(accepted[i].Name))
	}
	return paths, err
}

func (s *syncer) mirrorFrom(ctx context.Context, w *work) error {
	job := s.cfg.job(w.source, s.log)
	job.IncludeYanked, job.AllowEmpty = !s.cfg.excludeYanked, s.cfg.part.allowEmpty
	job.KeepOpen, job.NewsOnly = s.cfg.every > 0, s.recorded
	summary, err := s.run(ctx, job)
	s.summary = summary
	if err != nil {
		return err
	}
	s.recorded = true
	if err := s.writeSidecars(ctx, w.index); err != nil {
		return err
	}
	w.next(summary)
	if s.described != nil {
		s.base.commit = "" // the next round looks at everything
	}
	return nil
}

// writeSidecars brings the sidecars of what was looked at up to date.
func (s *syncer) writeSidecars(ctx context.Context, ix *index.Index) error {
	if !s.cfg.sidecars {
		return nil
	}
	s.act.enter("writing sidecars", "")
	sum, err := s.app.describe(ctx, &sidecarsConfig{
		mode: "files", out: s.cfg.home.Crates, origin: s.cfg.origin, includeYanked: !s.cfg.excludeYanked,
		acceptShrink: true, // of the index, which may be what has changed alone; files are never taken away
		concurrency:  s.cfg.net.concurrency,
	}, target{}, ix, s.show, s.log)
	if err != nil && !verdict.Is(err) {
		return err
	}
	s.described = err
	s.log.Info("sidecars", "written", sum.Counts.Written, "existing", sum.Counts.Kept, "errors", sum.Counts.Problems)
	return nil
}

// verdict is that on the mirror as it is now. Whoever follows hears round by
// round that there is something to look at.
func (s *syncer) verdict() error {
	n, err := s.Store.Quarantined()
	if err != nil {
		return err
	}
	aside := quarantined(n, &s.cfg.home)
	if aside != nil && s.summary == nil {
		s.log.Warn(aside.Error())
	}
	return errors.Join(aside, s.base.lacking(), s.described)
}
