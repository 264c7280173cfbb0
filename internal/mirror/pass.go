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

// What upstream did not give is tried again at the end of the run: in a second
// pass after a pause, and in a third after a longer one. Until then it has not
// failed but was put off: it waits in a spool on disk, and is neither recorded
// nor counted.

const (
	lastPass      = plan.Passes
	longerPause   = 12   // before the third pass, in those before the second
	fewLeft       = 1000 // versions for which a third pass is made,
	fewLeftShare  = 10   // if no more than one in so many that were tried first
	hopelessAfter = 30   // failures in a row, with no success between
)

// pass is one pass over the items to do.
type pass struct {
	number int          // 1: over the plan
	last   bool         // what fails now has failed
	inRow  atomic.Int32 // failures with no success between
}

// hopeless reports whether nothing more is worth asking for: upstream is down, or does
// not have these files any more. It is not the breaker's to say, which stops runs that
// could do something else.
func (p *pass) hopeless() bool { return p.number > 1 && p.inRow.Load() >= hopelessAfter }

// came notes how an item of a later pass ended.
func (p *pass) came(err error) {
	if err == nil {
		p.inRow.Store(0)
	} else if worthAnotherPass(err) {
		p.inRow.Add(1)
	}
}

// worthAnotherPass reports whether upstream may do better some time later: not
// where it refuses the file, nor where the fault is ours.
func worthAnotherPass(err error) bool {
	fetch := new(upstream.FetchError)
	return errors.As(err, new(*upstream.MismatchError)) || errors.As(err, &fetch) && fetch.Attempts > 0
}

// putOff makes a result that failed one that waits for the next pass.
func (res *result) putOff() {
	res.item.Tried = &plan.Tried{Outcome: uint8(res.outcome), Err: res.err.Error(), Retries: res.retries}
	res.outcome = deferred
}

// giveUp makes of a result what its item came to when it was last tried.
func (res *result) giveUp() {
	t := res.item.Tried
	res.outcome, res.err, res.retries = outcome(t.Outcome), errors.New(t.Err), t.Retries
}

// tryAgain tries again what was put off by a pass over the plan that ended with
// err. If the breaker has ended it, nothing is tried, but what has failed is
// recorded.
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
	r.cfg.Log.Info("versions that failed are tried again", "pass", number, "versions", r.later.Items, "pause", pause)
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

// giveUp records what was put off as what it came to when it was last tried.
func (r *run) giveUp(ctx context.Context) error {
	p := &pass{number: lastPass, last: true}
	p.inRow.Store(hopelessAfter)
	r.cfg.Progress.putOff.Store(0)
	return r.makePass(ctx, p)
}

// makePass works on what was put off.
func (r *run) makePass(ctx context.Context, p *pass) error {
	todo := r.later
	r.later, r.pass = nil, p
	defer todo.Remove()
	if err := todo.Finish(); err != nil {
		return err
	}
	return r.committing(ctx, func(ctx, user context.Context) error { return r.work(ctx, user, todo, p) })
}

// few reports whether so little is left that the run waits for another pass.
func (r *run) few(left int64) bool {
	total := r.cfg.Progress.plan.Load()
	return left <= fewLeft && left*fewLeftShare <= total.Fetch+total.Check+total.Republished
}

// done notes that an item of a job has a result; the committer calls it. When it
// was the last one, the crate's row is written, or what was put off goes to the
// next pass.
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
