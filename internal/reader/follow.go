package reader

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
)

// start starts what keeps the view up to date: one goroutine looks for changes,
// another counts what they bring, which takes a while in a large mirror. The
// others read what authors say.
func (v *View) start(life context.Context) {
	v.generation.Store(1)
	changed := make(chan struct{}, 1)
	changed <- struct{}{}
	v.working.Go(func() { v.follow(life, changed) })
	v.working.Go(func() { v.count(life, changed) })
	for range runtime.GOMAXPROCS(0) {
		v.working.Go(func() { v.about.Answer(life) })
	}
}

// follow looks for changes until life ends.
func (v *View) follow(life context.Context, changed chan<- struct{}) {
	tick := time.NewTicker(v.cfg.Interval)
	defer tick.Stop()
	t := trouble{log: v.cfg.Log}
	for {
		v.readDays(life)
		select {
		case <-life.Done():
			return
		case <-tick.C:
		}
		held, errHeld := v.catalog.Refresh(life)
		lines, errLines := v.index.refresh(life)
		if life.Err() != nil {
			return
		}
		t.tell("refresh failed; still serving the previous state", errors.Join(errHeld, errLines))
		if held || lines {
			v.generation.Add(1)
		}
		if held {
			select {
			case changed <- struct{}{}:
			default: // it has been woken already
			}
		}
	}
}

// How long counting rests: a multiple of the time that it takes, because all of a
// large catalog must be read for it, and a run commits every few seconds.
const (
	rest      = 20
	leastRest = 100 * time.Millisecond
)

// count reads names, which are cheap, and totals, which are not, after each
// change.
func (v *View) count(life context.Context, changed <-chan struct{}) {
	t := trouble{log: v.cfg.Log}
	list, totals, shown := job{run: v.readNames}, job{run: v.readTotals}, job{run: v.readEmpty}
	for {
		select {
		case <-life.Done():
			return
		case <-changed:
			list.due, totals.due, shown.due = true, true, true
		case <-list.wait():
		case <-totals.wait():
		case <-shown.wait():
		}
		err := list.do(life)
		if !list.due { // or it would be asked of the names of before
			err = errors.Join(err, shown.do(life))
		}
		err = errors.Join(err, totals.do(life))
		if v.isEmpty() && !shown.due { // another index may come, which is no change of the catalog
			shown.due, shown.next = true, time.Now().Add(emptyRest)
		}
		if life.Err() != nil {
			return
		}
		t.tell("refresh failed; search and totals show the previous state", err)
	}
}

// job is something to be done, with a rest after it. It is due until it is done
// without an error.
type job struct {
	run  func(context.Context) error
	due  bool
	next time.Time // not before
}

// wait returns a channel that is ready when the job is due.
func (j *job) wait() <-chan time.Time {
	if !j.due {
		return nil
	}
	return time.After(time.Until(j.next))
}

// do does the job if its time has come.
func (j *job) do(ctx context.Context) error {
	begin := time.Now()
	if !j.due || begin.Before(j.next) {
		return nil
	}
	err := j.run(ctx)
	j.due = err != nil
	j.next = time.Now().Add(max(rest*time.Since(begin), leastRest))
	return err
}

func (v *View) readNames(ctx context.Context) error {
	return ignoreAbsent(v.catalog.Read(ctx, func(c *catalog.Catalog) error {
		next, err := v.names.Load().refresh(ctx, c)
		if err == nil {
			v.names.Store(next)
		}
		return err
	}))
}

func (v *View) readTotals(ctx context.Context) error {
	return ignoreAbsent(v.catalog.Read(ctx, func(c *catalog.Catalog) error {
		t, err := c.Totals(ctx)
		if err == nil {
			v.held.Store(&t)
		}
		return err
	}))
}

// trouble reports an error once, and its end.
type trouble struct {
	log  *slog.Logger
	last string
}

func (t *trouble) tell(consequence string, err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	switch {
	case text == t.last:
	case err != nil:
		t.log.Error(consequence, "err", err)
	default:
		t.log.Info("the mirror can be read again")
	}
	t.last = text
}
