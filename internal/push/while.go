package push

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/root"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/verdict"
)

// scratch is how many bundles may wait to be pushed: one is, while the next is written.
const scratch = 2

// lookEvery is how often a run looks for bundles to push, if it is not told of one.
const lookEvery = 5 * time.Second

// While pushes what a run finishes while it goes on. The run puts crates into a store
// that waits when too many bundles are to be pushed. If pushing fails for good, or the
// lease is lost, the run is stopped and that is the error.
func (p *Pusher) While(ctx context.Context, st store.Store, run func(context.Context, store.Store) error) error {
	ctx, stop := p.session.Until(ctx)
	defer stop()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	pending, err := p.pending(ctx, p.bundles(), p.writer.Bundles)
	if err != nil {
		return err
	}
	p.note(len(pending) - p.count())
	done := make(chan struct{})
	var pushing sync.WaitGroup
	pushing.Go(func() {
		if err := p.keepPushing(ctx, done); err != nil {
			cancel(err)
		}
	})
	err = run(ctx, p.gate(st))
	close(done)
	pushing.Wait()
	if cause := context.Cause(ctx); cause != nil && !errors.Is(err, cause) {
		err = errors.Join(cause, err)
	}
	return err
}

// keepPushing pushes until done is closed, or it fails for good.
func (p *Pusher) keepPushing(ctx context.Context, done <-chan struct{}) error {
	for {
		if err := p.persist(ctx); err != nil {
			return err
		}
		moved := p.moving()
		select {
		case <-done:
			return nil
		case <-ctx.Done():
			return nil
		case <-moved:
		case <-time.After(lookEvery):
		}
	}
}

// persist is Files, tried again after a while.
func (p *Pusher) persist(ctx context.Context) error {
	const tries = 3
	for n := 1; ; n++ {
		err := p.Files(ctx)
		if err == nil || n == tries || ctx.Err() != nil || verdict.Is(err) || errors.Is(err, root.ErrFenced) {
			return err
		}
		p.cfg.Log.Warn("a bundle could not be pushed: it is tried again", "after", p.cfg.Retry, "err", err)
		select {
		case <-time.After(p.cfg.Retry):
		case <-ctx.Done():
			return err
		}
	}
}

// note changes the number of bundles that wait.
func (p *Pusher) note(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waiting = max(0, p.waiting+n)
	close(p.moved)
	p.moved = make(chan struct{})
}

func (p *Pusher) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.waiting
}

// moving is closed when the number of bundles that wait has changed.
func (p *Pusher) moving() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.moved
}

// gated is a store that takes nothing while too many bundles wait.
type gated struct {
	store.Store
	push *Pusher
}

// gate puts the pusher before the store of a run.
func (p *Pusher) gate(st store.Store) store.Store {
	g := gated{st, p}
	if f, ok := st.(store.Finisher); ok {
		return finishing{g, f}
	}
	return g
}

// Put implements store.Writer.
func (g gated) Put(ctx context.Context, id crate.ID, body store.Body) (store.Placement, error) {
	for {
		moved := g.push.moving()
		if g.push.count() < scratch {
			return g.Store.Put(ctx, id, body)
		}
		select {
		case <-moved:
		case <-ctx.Done():
			err := context.Cause(ctx)
			if body.Spill != nil {
				err = errors.Join(err, body.Spill.Discard())
			}
			return store.Placement{}, err
		}
	}
}

// Checkpoint implements store.Writer.
func (g gated) Checkpoint(ctx context.Context) (store.Outcome, error) {
	done, err := g.Store.Checkpoint(ctx)
	if len(done.Finished) > 0 {
		g.push.note(len(done.Finished))
	}
	return done, err
}

// finishing is gated before a store that has something to finish.
type finishing struct {
	gated
	finisher store.Finisher
}

// Finish implements store.Finisher.
func (f finishing) Finish(ctx context.Context) (store.Outcome, error) {
	done, err := f.finisher.Finish(ctx)
	if len(done.Finished) > 0 {
		f.push.note(len(done.Finished))
	}
	return done, err
}
