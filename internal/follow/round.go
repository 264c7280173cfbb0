package follow

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/clone"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/mirror"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/plan"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/push"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/runstate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/verdict"
)

// baseline is the result of earlier rounds, so that the next round need not check what has not
// changed since. It is only in memory: the first round of a process checks everything.
type baseline struct {
	commit string    // of the index; all of it is mirrored except again
	again  []string  // index paths of crates to try again
	listed time.Time // when the last check of everything began
	whole  error     // what that check found missing
	part   error     // what the last run since then found missing
	total  int64     // versions in that check
	gone   bool      // upstream refused some of them: rounds since then do not retry those
}

// relist is how long a follower trusts that files are where it stored them. Then it lists the
// folders again.
const relist = 24 * time.Hour

// lacking returns the verdict on what is missing, as far as is known. If both runs found
// versions missing, the last one has retried those of the first, so its result counts, unless
// upstream refused some of those.
func (b *baseline) lacking() error {
	if b.part != nil && !b.gone && onlyIncomplete(b.whole) && onlyIncomplete(b.part) {
		return b.part
	}
	return errors.Join(b.whole, b.part)
}

// onlyIncomplete reports whether a verdict says that versions are missing, and nothing else.
func onlyIncomplete(err error) bool {
	return errors.As(err, new(*verdict.IncompleteError)) && !errors.As(err, new(*verdict.IntegrityError))
}

// trusted reports whether the baseline is recent enough to compare with.
func (b *baseline) trusted() bool {
	return b != nil && b.commit != "" && time.Since(b.listed) < relist && len(b.again) <= mirror.MaxAgain
}

// round makes one round. An error that is not a verdict means that the round could not
// continue.
func (f *Follower) round(ctx context.Context) error {
	f.summary, f.held, f.described = nil, 0, nil
	for _, step := range []func(context.Context) error{f.updateIndex, f.mirrorCrates, f.pack, f.push} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	if err := f.verdict(); err != nil {
		return err
	}
	return f.state(ctx)
}

// updateIndex updates the index from upstream.
func (f *Follower) updateIndex(ctx context.Context) error {
	if f.cfg.Update == nil {
		return nil
	}
	const phase = runstate.UpdatingIndex
	f.cfg.Activity.enter(phase, "")
	if f.cfg.WatchUpdate != nil {
		defer f.cfg.WatchUpdate(f.cfg.Activity.doing)()
	}
	job := *f.cfg.Update
	job.AcceptShrink, job.Progress = f.cfg.AcceptShrink, func(text string) { f.cfg.Activity.enter(phase, text) }
	up, err := clone.Update(ctx, job)
	if err != nil {
		return err
	}
	f.answered = true
	f.cfg.Activity.round(func(r *rounds) { r.upstream = up.After.Time })
	if up.Changed() {
		f.cfg.Log.Info("the index is updated", "dir", job.Dir, "commit", up.After.Commit, "of", up.After.Time.UTC().Format(time.RFC3339))
	}
	return nil
}

// mirrorCrates mirrors everything that the index names, or only what has changed since the
// baseline, which may be nothing.
func (f *Follower) mirrorCrates(ctx context.Context) error {
	ix, err := f.cfg.Home.Dirs.OpenIndex(ctx, f.cfg.Log)
	if err != nil {
		return err
	}
	defer ix.Close()
	f.expect(ctx, ix)
	work, err := f.compare(ctx, ix)
	if err != nil {
		return err
	}
	if work != nil {
		if err := f.mirrorFrom(ctx, ix, work); err != nil {
			return err // the baseline stays: this run did not change it
		}
	}
	f.news = revisionOf(ix)
	f.cfg.Activity.round(func(r *rounds) { r.index = f.news })
	return nil
}

// work is what a round has to do.
type work struct {
	source plan.Source
	index  *index.Index          // the index of the source: all of it, or only what has changed
	next   func(*mirror.Summary) // updates the baseline
}

// compare returns what to do, or nil if there is nothing.
func (f *Follower) compare(ctx context.Context, ix *index.Index) (*work, error) {
	again, err := f.again(ctx)
	if err != nil {
		return nil, err
	}
	known := f.base.trusted() && len(again) <= mirror.MaxAgain
	if known && ix.Commit() == f.base.commit && len(again) == 0 && !(f.owes && f.pushes()) && !f.finishes() {
		return nil, nil
	}
	if known && f.cfg.Part == nil {
		changed, gone, err := ix.Changes(ctx, f.base.commit, again)
		if err == nil {
			return &work{plan.FromChanges(changed, gone), changed, func(sum *mirror.Summary) {
				f.base.commit, f.base.again, f.base.part = ix.Commit(), sum.Again, lacking(sum, f.cfg.AllowMissing, f.base.total)
				if f.base.whole != nil && len(again) > 0 && len(sum.Again) == 0 {
					f.base.commit = "" // a new version may be all that was missing: the next round checks
				}
			}}, nil
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		f.cfg.Log.Info("looking at the whole index", "reason", err)
	}
	begun := time.Now() // a later acceptance may come too late for this run
	source, err := f.source(ctx, ix)
	return &work{source, ix, func(sum *mirror.Summary) {
		f.held = sum.OK()
		f.base = &baseline{commit: ix.Commit(), again: sum.Again, listed: begun, whole: lacking(sum, f.cfg.AllowMissing, 0), total: sum.Total(), gone: sum.Gone > 0}
	}}, err
}

// source returns the part of the index that is mirrored.
func (f *Follower) source(ctx context.Context, ix *index.Index) (plan.Source, error) {
	if f.cfg.Part == nil {
		return plan.FromIndex(ix, nil), nil
	}
	return f.cfg.Part(ctx, ix)
}

// again returns the index paths of crates to check although they have not changed: a version
// failed, or a user has accepted other bytes for one.
func (f *Follower) again(ctx context.Context) ([]string, error) {
	if f.base == nil {
		return nil, nil
	}
	paths := slices.Clone(f.base.again)
	accepted, err := f.open.Catalog.AcceptedSince(ctx, f.base.listed, mirror.MaxAgain)
	for i := range accepted {
		paths = append(paths, crate.IndexPath(accepted[i].Name))
	}
	return paths, err
}

func (f *Follower) mirrorFrom(ctx context.Context, ix *index.Index, w *work) error {
	job, err := f.cfg.Job(ctx, ix, w.source)
	if err != nil {
		return err
	}
	job.AcceptShrink, job.KeepOpen, job.NewsOnly = f.cfg.AcceptShrink, f.cfg.Every > 0 && !f.pushes() && !f.finishes(), job.NewsOnly || f.recorded
	if f.summary, err = f.open.Run(ctx, job); err != nil {
		return err
	}
	f.recorded = true
	if err := f.noteOpen(ctx, job.KeepOpen); err != nil {
		return err
	}
	if err := f.describe(ctx, w.index); err != nil {
		return err
	}
	w.next(f.summary)
	if f.described != nil {
		f.base.commit = "" // the next round checks everything
	}
	return nil
}

// describe updates the sidecars of the crates that were checked.
func (f *Follower) describe(ctx context.Context, ix *index.Index) error {
	if f.cfg.Describe == nil {
		return nil
	}
	f.cfg.Activity.enter(runstate.Sidecars, "")
	err := f.cfg.Describe(ctx, ix)
	if err != nil && !verdict.Is(err) {
		return err
	}
	f.described = err
	return nil
}

// pack moves this round's crates into the deep archive. The first time, it moves everything
// that is not there yet.
func (f *Follower) pack(ctx context.Context) error {
	if f.cfg.Pack == nil || f.packed && (f.summary == nil || f.summary.Downloaded == 0) {
		return nil
	}
	f.cfg.Activity.enter(runstate.Packing, "")
	err := f.cfg.Pack(ctx, f.open.Writer)
	f.packed = err == nil || verdict.Is(err) // if it was interrupted, the next round resumes
	return err
}

// pushes reports whether this round pushes.
func (f *Follower) pushes() bool {
	return f.cfg.Push != nil && time.Since(f.pushed) >= f.cfg.PushEvery
}

// push uploads finished files, and the mirror's position.
func (f *Follower) push(ctx context.Context) error {
	if !f.pushes() {
		return nil
	}
	f.cfg.Activity.enter(runstate.Pushing, "")
	done := push.Round{Complete: f.base.lacking() == nil && f.cfg.Part == nil}
	if f.base != nil {
		done.Commit = f.base.commit
	}
	if f.summary != nil {
		done.Missing = f.summary.Missing
	}
	err := f.cfg.Push.Round(ctx, done)
	if err == nil && (f.summary != nil || f.pushed.IsZero()) {
		f.pushed = time.Now()
	}
	return err
}

// verdict returns the verdict on the mirror as it is now. A follower repeats in each round
// that something needs attention.
func (f *Follower) verdict() error {
	n, err := f.open.Store.Quarantined()
	if err != nil {
		return err
	}
	aside := f.cfg.Home.Dirs.QuarantineVerdict(n)
	if aside != nil && f.summary == nil {
		f.cfg.Log.Warn(aside.Error())
	}
	var doubt error
	if f.cfg.Doubt != nil {
		doubt = f.cfg.Doubt()
	}
	return errors.Join(aside, f.base.lacking(), f.described, doubt)
}

// stateEvery is how often a follower makes a statement. Each statement compares the whole
// catalog with the index.
const stateEvery = time.Hour

// state makes a statement, if one is wanted and due.
func (f *Follower) state(ctx context.Context) error {
	if f.cfg.State == nil || !f.stated.IsZero() && time.Since(f.stated) < stateEvery {
		return nil
	}
	f.cfg.Activity.enter(runstate.Stating, "")
	if err := f.cfg.State(ctx, f.open.Writer); err != nil {
		return err
	}
	f.stated = time.Now()
	return nil
}
