package mirror

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/plan"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/upstream"
)

// Items that upstream did not deliver are tried again at the end of the run: in a second
// pass after a pause, and in a third after a longer pause. Until then an item has not
// failed but is deferred: it waits in a spool on disk, and is neither recorded nor counted.

const (
	lastPass      = plan.Passes
	longerPause   = 12   // pause before the third pass, as a multiple of that before the second
	fewLeft       = 1000 // maximum number of versions for which there is a third pass,
	fewLeftShare  = 10   // if they are at most one in this many of those tried first
	hopelessAfter = 30   // failures in a row without a success between
)

// pass is one pass over the remaining items.
type pass struct {
	number int          // 1: the pass over the plan
	last   bool         // failures of this pass are final
	inRow  atomic.Int32 // failures in a row without a success between
}

// hopeless reports whether to stop asking: upstream is down, or no longer has these files.
// The breaker cannot decide this, because it stops runs that still have other work.
func (p *pass) hopeless() bool { return p.number > 1 && p.inRow.Load() >= hopelessAfter }

// came records how an item of a later pass ended.
func (p *pass) came(err error) {
	if err == nil {
		p.inRow.Store(0)
	} else if worthAnotherPass(err) {
		p.inRow.Add(1)
	}
}

// worthAnotherPass reports whether upstream may deliver the file later. It is false if
// upstream refuses the file, or if the fault is ours.
func worthAnotherPass(err error) bool {
	fetch := new(upstream.FetchError)
	return errors.As(err, new(*upstream.MismatchError)) || errors.As(err, &fetch) && fetch.Attempts > 0
}

// putOff defers a failed result to the next pass.
func (res *result) putOff() {
	res.item.Tried = &plan.Tried{Outcome: uint8(res.outcome), Err: res.err.Error(), Retries: res.retries}
	res.outcome = deferred
}

// giveUp turns a deferred result into the outcome of its last attempt.
func (res *result) giveUp() {
	t := res.item.Tried
	res.outcome, res.err, res.retries = outcome(t.Outcome), errors.New(t.Err), t.Retries
}

// tryAgain retries the items deferred by a pass over the plan that ended with err. If the
// breaker ended it, nothing is retried, but the failures are recorded.
func (r *run) tryAgain(ctx context.Context, err error) error {
	defer func() {
		if r.later != nil {
			r.later.Remove()
		}
	}()
	if errors.As(err, new(*upstream.StoppedError)) && r.later != nil {
		return errors.Join(err, r.giveUp(ctx))
	}
	for err == nil && r.later != nil {
		err = r.nextPass(ctx)
	}
	return err
}

func (r *run) nextPass(ctx context.Context) error {
	number, pause := r.pass.number+1, r.cfg.SecondPass
	if number == lastPass {
		if !r.few(r.later.Items) {
			return r.giveUp(ctx)
		}
		pause *= longerPause
	}
	r.cfg.Log.Info("trying failed versions again", "pass", number, "versions", r.later.Items, "pause", pause)
	r.cfg.Progress.nextPass(number, pause, pause*longerPause)
	select {
	case <-time.After(pause):
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if c, ok := r.cfg.Fetch.(interface{ Reconnect() }); ok {
		c.Reconnect()
	}
	return r.makePass(ctx, &pass{number: number, last: number == lastPass})
}

// giveUp records deferred items with the outcome of their last attempt.
func (r *run) giveUp(ctx context.Context) error {
	p := &pass{number: lastPass, last: true}
	p.inRow.Store(hopelessAfter)
	r.cfg.Progress.putOff.Store(0)
	return r.makePass(ctx, p)
}

// makePass works on the deferred items.
func (r *run) makePass(ctx context.Context, p *pass) error {
	todo := r.later
	r.later, r.pass = nil, p
	defer todo.Remove()
	if err := todo.Finish(); err != nil {
		return err
	}
	return r.committing(ctx, func(ctx, user context.Context) error { return r.work(ctx, user, todo, p) })
}

// few reports whether so few items are left that the run waits for another pass.
func (r *run) few(left int64) bool {
	total := r.cfg.Progress.plan.Load()
	return left <= fewLeft && left*fewLeftShare <= total.Fetch+total.Check+total.Republished
}

// done records that an item of a job has a result; the committer calls it. After the last
// item, the crate's row is written, or the deferred items move to the next pass.
func (r *run) done(res *result, b *catalog.Batch) error {
	j := res.job
	j.left--
	j.failed = j.failed || !res.outcome.ok() && res.outcome != deferred
	j.again = j.again || res.worthAnother()
	if res.outcome == deferred {
		j.putOff = append(j.putOff, res.item)
	}
	if j.left > 0 {
		return nil
	}
	if j.again {
		r.summary.again(crate.IndexPath(res.item.Name))
	}
	row := j.row
	if j.failed {
		row = nil
	}
	if len(j.putOff) > 0 {
		return r.addLater(row, j.putOff)
	}
	if row != nil {
		b.Crates = append(b.Crates, *row)
	}
	return nil
}

func (r *run) addLater(row *catalog.Crate, items []plan.Item) (err error) {
	if r.later == nil {
		if r.later, err = plan.NewSpool(r.cfg.State, r.pass.number+1); err != nil {
			return err
		}
	}
	return r.later.Add(row, items)
}
