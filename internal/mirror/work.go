package mirror

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle/legacy"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/plan"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/upstream"
)

// outcome is how an item ended.
type outcome uint8

const (
	downloaded outcome = iota
	existing
	verifiedExisting
	failed      // so far, or in this run; may succeed in a later run
	gone        // upstream refuses this file
	violated    // wrong bytes were found or received
	badEntry    // of the index
	takenOver   // from a bundle of v1.1.0: the plan will find it held
	bookkeeping // not an item: rows for the catalog
	deferred    // failed, and waits for another pass
)

// ok reports whether the version is held and verified.
func (o outcome) ok() bool { return o == downloaded || o == existing || o == verifiedExisting }

// result is an item on its way through a run: first what to do, and then, for the
// committer, the outcome.
type result struct {
	item              plan.Item
	job               *job // of the plan; nil: none
	outcome           outcome
	size              int64
	at                store.Placement
	stored            bool // by a Put of this run
	retries           int
	err               error
	gone              *upstream.GoneError
	wasGone           bool // in an earlier run
	unnamed           bool // see plan.BadEntry
	started, finished time.Time

	done         *catalog.Crate // of a crate without a job: it is complete
	plan.Changes                // changes of the catalog besides the entry's row
	dropped      []crate.Key    // bytes that are no longer held
	replaced     crate.Checksum // bytes that the version had before; zero: none

	taken    *catalog.Taken    // bundle of v1.1.0 that need not be read again
	revision *catalog.Revision // that was planned
	vanished []string          // crates that are no longer in the index
}

// worthAnother reports whether another attempt may soon succeed. It is false if upstream
// refused the file twice or serves other bytes.
func (r *result) worthAnother() bool {
	return r.outcome == failed || r.outcome == gone && !r.wasGone
}

// job is a crate of the plan that is being worked on.
type job struct {
	row    *catalog.Crate // nil: never complete
	left   int            // items; belongs to the committer
	failed bool           // belongs to the committer
	again  bool           // an item failed that may succeed soon; belongs to the committer
	putOff []plan.Item    // for the next pass; belongs to the committer
}

// parked is the number of items that may wait for another attempt, per item that is being
// downloaded. So a few hundred failures do not delay the rest.
const parked = 4

// work does the items of the plan, or those left for another pass.
func (r *run) work(ctx, user context.Context, todo *plan.Spool, p *pass) error {
	w := worker{run: r, pass: p, hashing: make(chan struct{}, 2*runtime.GOMAXPROCS(0))}
	items := make(chan *result)
	g, ctx := errgroup.WithContext(ctx)
	flight, land := inFlight(ctx, user, r.cfg.Grace)
	defer land()
	g.Go(func() error {
		defer close(items)
		return r.feed(ctx, todo, items)
	})
	for range parked * r.cfg.Concurrency {
		g.Go(func() error {
			for res := range items {
				if err := w.do(flight, res); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return g.Wait()
}

// inFlight returns the context of items that have begun. If the user stops the run, they
// have grace to finish; if the run failed, they have none.
func inFlight(ctx, user context.Context, grace time.Duration) (flight context.Context, land func()) {
	flight, abort := context.WithCancelCause(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		if user.Err() != nil {
			select {
			case <-time.After(grace):
			case <-flight.Done():
			}
		}
		abort(context.Cause(ctx))
	})
	return flight, func() { stop(); abort(nil) }
}

func (r *run) feed(ctx context.Context, todo *plan.Spool, to chan<- *result) error {
	return todo.Each(func(row *catalog.Crate, items []plan.Item) error {
		j := &job{row: row, left: len(items)}
		for i := range items {
			if r.cfg.Room != nil {
				if err := r.cfg.Room(ctx); err != nil {
					return err
				}
			}
			select {
			case to <- &result{item: items[i], job: j, outcome: failed}:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		return nil
	})
}

// worker does items. Many goroutines share it.
type worker struct {
	run     *run
	pass    *pass
	hashing chan struct{} // bounds the files that are hashed at a time
}

// do does an item and sends its result. An error stops the run: the disk is full or broken,
// or upstream is down.
func (w *worker) do(ctx context.Context, res *result) error {
	res.started = time.Now()
	if t := res.item.Tried; t != nil {
		res.retries = t.Retries + 1
	}
	again := true
	if w.pass.hopeless() {
		res.giveUp()
	} else {
		res.err = w.try(ctx, res)
		again = worthAnotherPass(res.err)
		w.pass.came(res.err)
	}
	stop := w.fatal(res.err)
	if res.err != nil && (ctx.Err() != nil || errors.As(res.err, new(*upstream.StoppedError))) {
		return stop // the run ended before the item did: as if it had never begun
	}
	if again && stop == nil && !w.pass.last {
		res.putOff()
	}
	res.finished = time.Now()
	return errors.Join(stop, w.run.send(ctx, res))
}

// try does the item's task. A panic costs the item, not the run.
func (w *worker) try(ctx context.Context, res *result) (err error) {
	defer func() {
		if p := recover(); p != nil {
			res.outcome = failed // whatever the outcome was going to be
			err = fmt.Errorf("%s: this is a bug of ours, please report it: panic: %v\n%s", res.item.ID, p, debug.Stack())
		}
	}()
	switch it := &res.item; it.Task {
	case plan.Check:
		return w.check(ctx, res, it.At)
	case plan.Replace:
		return w.replace(ctx, res, it.At)
	case plan.Conflict:
		return w.conflict(ctx, res, it.At)
	}
	return w.fetch(ctx, res)
}

// fatal returns err if it will affect all other items too.
func (w *worker) fatal(err error) error {
	bad := errors.As(err, new(*unreadableError)) || errors.As(err, new(*legacy.ReadError)) // one file's sectors, not the disk
	if durable.IsBroken(err) && !bad || errors.Is(err, store.ErrUnusable) || errors.As(err, new(*upstream.StoppedError)) {
		return err
	}
	return nil
}

// unreadableError says that a held file cannot be read. It affects only that crate, and the
// file stays where it is, because some of it may be recoverable.
type unreadableError struct{ err error }

func (e *unreadableError) Error() string { return e.err.Error() }
func (e *unreadableError) Unwrap() error { return e.err }

// fetch downloads a crate and stores it.
func (w *worker) fetch(ctx context.Context, res *result) error {
	body, release, err := w.body(ctx, res)
	if err != nil {
		return w.refused(res, err)
	}
	defer release()
	if err := w.put(ctx, res, body); err != nil {
		return err
	}
	res.outcome, res.size = downloaded, body.Size
	return nil
}

// put stores a crate.
func (w *worker) put(ctx context.Context, res *result, body store.Body) error {
	at, err := w.run.bundles.put(func() (store.Placement, error) { return w.run.cfg.Store.Put(ctx, res.item.ID, body) })
	if err == nil {
		res.at, res.stored = at, true
	}
	return err
}

// body downloads a crate and verifies its bytes. The caller releases them.
func (w *worker) body(ctx context.Context, res *result) (_ store.Body, release func(), err error) {
	cfg := &w.run.cfg
	wasGone, err := cfg.Catalog.WasGone(ctx, res.item.ID)
	if err != nil {
		return store.Body{}, nil, err
	}
	res.wasGone = wasGone
	var spill store.Spill // opened by an attempt, not always by the one that succeeds
	discard := func() {
		if spill != nil {
			_ = spill.Discard() // the next start clears what is left in tmp/
		}
	}
	got, stats, err := cfg.Fetch.Fetch(ctx, upstream.Request{
		ID: res.item.ID, URL: cfg.url(&res.item), Checksum: res.item.Checksum, WasGone: wasGone, Again: w.pass.number > 1,
		Guarded: cfg.Guarded && res.item.URL == "",
		Spill:   func() (_ upstream.Spill, err error) { spill, err = cfg.Store.NewSpill(); return spill, err },
	})
	res.retries += stats.Retries()
	cfg.Progress.fetched(stats.Bytes)
	if err != nil {
		discard()
		return store.Body{}, nil, err
	}
	if got.From != "" {
		res.item.URL = got.From // for the record
	}
	body := store.Body{Data: got.Data, Size: got.Size, Checksum: res.item.Checksum}
	if got.Spill != nil {
		body.Spill = spill
	}
	return body, func() { discard(); got.Release() }, nil
}

// refused finds out why upstream did not deliver the crate, and keeps what it sent instead.
func (w *worker) refused(res *result, err error) error {
	if errors.As(err, &res.gone) {
		res.outcome = gone
		return err
	}
	var wrong *upstream.MismatchError
	if !errors.As(err, &wrong) {
		return err
	}
	res.outcome = violated
	sample := wrong.Evidence.Body
	err = fmt.Errorf("%w; the answer's headers: %s", err, wrong.Evidence.Headers())
	path, qerr := w.run.cfg.Store.Isolate(res.item.ID, wrong.Err.Want, wrong.Err.Got, err.Error(), store.Body{Data: sample, Size: int64(len(sample))})
	if qerr != nil {
		return errors.Join(err, qerr)
	}
	return fmt.Errorf("%w (what came begins as %s)", err, path)
}
