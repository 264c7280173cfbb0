package work

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"sync"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket"
)

// Doer does a task and returns its result. It may be called concurrently, even by others
// for the same task: whatever it stores must be the same, whichever worker stored it. An
// error means that the task must be tried again; problems of the mirror are part of the
// result.
type Doer func(ctx context.Context, task []byte) (result []byte, err error)

// Worker takes tasks and does them.
type Worker struct {
	Bucket   bucket.Bucket
	Queue    Queue
	Do       map[string]Doer // by the kind of the job
	Name     string          // for people to identify it
	Jobs     int             // tasks at a time; default 1
	Attempts int             // number of attempts before a task is set aside; default 4
	Grace    time.Duration   // for tasks in flight when the worker is stopped; default 20 s
	Pause    time.Duration   // before a failed task is handed out again, times the attempt; default 5 s
	Metrics  *Metrics        // default: not counted
	Log      *slog.Logger    // default: none
}

func (w Worker) withDefaults() Worker {
	if w.Jobs <= 0 {
		w.Jobs = 1
	}
	if w.Attempts <= 0 {
		w.Attempts = 4
	}
	if w.Grace <= 0 {
		w.Grace = 20 * time.Second
	}
	if w.Pause <= 0 {
		w.Pause = 5 * time.Second
	}
	if w.Metrics == nil {
		w.Metrics = new(Metrics)
	}
	if w.Log == nil {
		w.Log = slog.New(slog.DiscardHandler)
	}
	return w
}

// Run works until ctx ends: then it begins no task, gives those in flight Worker.Grace to
// finish, and returns the rest to the queue. It returns ctx's cause.
func (w Worker) Run(ctx context.Context) error {
	w = w.withDefaults()
	working, stop := graceful(ctx, w.Grace)
	defer stop()
	var g sync.WaitGroup
	for range w.Jobs {
		g.Go(func() { w.loop(ctx, working) })
	}
	g.Wait()
	return context.Cause(ctx)
}

// graceful returns a context that ends some time after ctx.
func graceful(ctx context.Context, grace time.Duration) (context.Context, context.CancelFunc) {
	late, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		time.AfterFunc(grace, func() { cancel(context.Cause(ctx)) })
	})
	return late, func() { stop(); cancel(nil) }
}

// lost is how long a worker without a queue waits.
const lost = 2 * time.Second

func (w *Worker) loop(ctx, working context.Context) {
	for ctx.Err() == nil {
		taken, err := w.Queue.Take(ctx)
		switch {
		case taken != nil:
			w.handle(working, taken)
		case err != nil && ctx.Err() == nil:
			w.Log.Debug("no task", "err", err)
			select {
			case <-time.After(lost):
			case <-ctx.Done():
			}
		}
	}
}

// handle does a task, and reports its outcome to the queue.
func (w *Worker) handle(ctx context.Context, taken Taken) {
	ref, err := taken.Task()
	if err != nil {
		w.Log.Warn("a message in the queue is not a task: it is removed", "err", err)
		w.told(taken.Done(ctx))
		return
	}
	w.Metrics.running.Add(1)
	defer w.Metrics.running.Add(-1)
	log := w.Log.With("job", ref.Job, "task", ref.Task, "attempt", taken.Attempt())
	begun := time.Now()
	err = w.attempt(ctx, ref, taken)
	switch {
	case err == nil:
		w.told(taken.Done(ctx))
		return
	case ctx.Err() != nil:
		log.Info("a task is given back, since this worker stops")
		w.told(taken.Return(0))
		return
	}
	w.Metrics.failed.Add(1)
	log.Warn("a task failed", "took", time.Since(begun).Round(time.Millisecond), "err", err)
	if taken.Attempt() < w.Attempts {
		w.told(taken.Return(w.Pause * time.Duration(taken.Attempt())))
		return
	}
	w.setAside(ctx, ref, taken, err)
}

// told logs an error of the queue: a queue that did not receive the outcome of a task hands
// it out again, and its next worker finds the result.
func (w *Worker) told(err error) {
	if err != nil {
		w.Log.Debug("the queue did not hear what became of a task", "err", err)
	}
}

func (w *Worker) setAside(ctx context.Context, ref Ref, taken Taken, why error) {
	b := Board{w.Bucket, ref.Job}
	err := b.SetAside(ctx, Mark{Task: ref.Task, Attempts: taken.Attempt(), Error: why.Error(), Worker: w.Name, Time: time.Now().UTC()})
	if err != nil {
		w.Log.Error("a task cannot be set aside", "job", ref.Job, "task", ref.Task, "err", err)
		w.told(taken.Return(w.Pause))
		return
	}
	w.Metrics.aside.Add(1)
	w.Log.Error("a task is set aside", "job", ref.Job, "task", ref.Task, "attempts", taken.Attempt(), "err", why)
	w.told(taken.Done(ctx))
}

// errKills means that no worker has ever completed the task.
var errKills = errors.New("no worker that took it came to its end: it may need more memory or disk than they have")

// attempt makes the result of a task durable. An error means that there is no result.
func (w *Worker) attempt(ctx context.Context, ref Ref, taken Taken) error {
	b := Board{w.Bucket, ref.Job}
	settled, err := b.Settled(ctx, ref.Task)
	if err != nil || settled {
		return err
	}
	if taken.Attempt() > w.Attempts {
		return errKills
	}
	do := w.Do[ref.Kind()]
	if do == nil {
		return fmt.Errorf("this program knows no jobs of the kind %q", ref.Kind())
	}
	task, err := b.Task(ctx, ref.Task)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // the job has ended, and was removed
	}
	if err != nil {
		return err
	}
	defer w.sayAlive(taken)()
	result, err := do(ctx, task)
	if err != nil {
		return err
	}
	first, err := b.Finish(ctx, ref.Task, result)
	if err == nil && first {
		w.Metrics.done.Add(1)
	}
	return err
}

// sayAlive reports to the queue that a task is being worked on, until stop is called.
func (w *Worker) sayAlive(taken Taken) (stop func()) {
	const often = 3 // times per wait of the queue
	ticker, end := time.NewTicker(max(w.Queue.Wait()/often, time.Millisecond)), make(chan struct{})
	go func() {
		for {
			select {
			case <-ticker.C:
				w.told(taken.Extend())
			case <-end:
				return
			}
		}
	}()
	return func() { ticker.Stop(); close(end) }
}
