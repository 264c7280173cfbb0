package reader

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
)

// start starts the goroutines that keep the view up to date: one looks for changes, another
// counts crates after each change, which takes a while in a large mirror. The others read
// metadata of crates.
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

// How long counting pauses, as a multiple of its duration: it reads the whole catalog, and
// a run commits every few seconds.
const (
	rest      = 20
	leastRest = 100 * time.Millisecond
)

// count reads names, which is cheap, and totals, which is not, after each change.
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
		if !list.due { // otherwise it would use the old names
			err = errors.Join(err, shown.do(life))
		}
		err = errors.Join(err, totals.do(life))
		if v.isEmpty() && !shown.due { // another index may come, without a change of the catalog
			shown.due, shown.next = true, time.Now().Add(emptyRest)
		}
		if life.Err() != nil {
			return
		}
		t.tell("refresh failed; search and totals still show the previous state", err)
	}
}

// job is some work, with a pause after it. It is due until it is done without an error.
type job struct {
	run  func(context.Context) error
	due  bool
	next time.Time // earliest time
}

// wait returns a channel that is ready when the job is due.
func (j *job) wait() <-chan time.Time {
	if !j.due {
		return nil
	}
	return time.After(time.Until(j.next))
}

// do does the job if it is due.
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

// trouble logs an error once, and its end.
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
