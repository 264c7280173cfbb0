package push

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/root"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/verdict"
)

// scratch is the number of bundles that may wait to be pushed: one, while the next is
// written.
const scratch = 2

// lookEvery is how often a run looks for bundles to push without being notified; lookSoon
// is how often if one is finished but not yet completely recorded in the catalog.
const (
	lookEvery = 5 * time.Second
	lookSoon  = 50 * time.Millisecond
)

// While pushes what a run finishes while it runs. The run stores crates in a store that
// reports finished bundles, and calls Room first. If pushing fails permanently, or the
// lease is lost, the run is stopped with that error.
func (p *Pusher) While(ctx context.Context, st store.Store, run func(context.Context, store.Store) error) error {
	ctx, stop := p.session.Until(ctx)
	defer stop()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	pending, err := p.pending(ctx, p.bundles(), p.writer.Bundles)
	if err != nil {
		return err
	}
	p.mu.Lock()
	p.waiting, p.begun = len(pending), 0
	p.mu.Unlock()
	done := make(chan struct{})
	var pushing sync.WaitGroup
	pushing.Go(func() {
		if err := p.keepPushing(ctx, done); err != nil {
			cancel(err)
		}
	})
	err = run(ctx, p.watch(st))
	close(done)
	pushing.Wait()
	if cause := context.Cause(ctx); cause != nil && !errors.Is(err, cause) {
		err = errors.Join(cause, err)
	}
	return err
}

// keepPushing pushes until done is closed, or pushing fails permanently.
func (p *Pusher) keepPushing(ctx context.Context, done <-chan struct{}) error {
	for {
		if err := p.persist(ctx); err != nil {
			return err
		}
		next, moved := p.next()
		select {
		case <-done:
			return nil
		case <-ctx.Done():
			return nil
		case <-moved:
		case <-time.After(next):
		}
	}
}

// next returns how long to wait before looking again. moved is closed if it may be earlier.
func (p *Pusher) next() (wait time.Duration, moved <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.waiting > 0 {
		return lookSoon, p.moved
	}
	return lookEvery, p.moved
}

// persist calls Files, and repeats it if it fails.
func (p *Pusher) persist(ctx context.Context) error {
	const tries = 3
	for n := 1; ; n++ {
		err := p.Files(ctx)
		if err == nil || n == tries || ctx.Err() != nil || verdict.Is(err) || errors.Is(err, root.ErrFenced) {
			return err
		}
		p.cfg.Log.Warn("a bundle could not be pushed: trying again", "after", p.cfg.Retry, "err", err)
		select {
		case <-time.After(p.cfg.Retry):
		case <-ctx.Done():
			return err
		}
	}
}

// note counts bundles that wait to be pushed, and that were begun.
func (p *Pusher) note(finished, begun int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waiting, p.begun = max(0, p.waiting+finished), max(0, p.begun+begun)
	close(p.moved)
	p.moved = make(chan struct{})
}

// checkpoint finishes all full bundles.
func (p *Pusher) checkpoint(checkpoint func() (store.Outcome, error)) (store.Outcome, error) {
	p.mu.Lock()
	p.begun = 0
	p.mu.Unlock()
	done, err := checkpoint()
	p.note(len(done.Finished), 0)
	return done, err
}

// room reports whether another crate may be stored. moved is closed when that, or the list
// of what to push, may have changed.
func (p *Pusher) room() (is bool, moved <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.waiting < scratch && p.waiting+p.begun <= scratch, p.moved
}

// Room waits while too many bundles wait to be pushed. It is mirror.Config.Room.
func (p *Pusher) Room(ctx context.Context) error {
	for {
		room, moved := p.room()
		if room {
			return nil
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// watched is a store that reports its bundles to the pusher.
type watched struct {
	store.Store
	push *Pusher
}

// watch makes a store report the bundles of a run to the pusher.
func (p *Pusher) watch(st store.Store) store.Store {
	g := watched{st, p}
	if f, ok := st.(store.Finisher); ok {
		return finishing{g, f}
	}
	return g
}

// Checkpoint implements store.Writer.
func (g watched) Checkpoint(ctx context.Context) (store.Outcome, error) {
	return g.push.checkpoint(func() (store.Outcome, error) { return g.Store.Checkpoint(ctx) })
}

// finishing is watched for a store that must be finished.
type finishing struct {
	watched
	finisher store.Finisher
}

// Finish implements store.Finisher.
func (f finishing) Finish(ctx context.Context) (store.Outcome, error) {
	return f.push.checkpoint(func() (store.Outcome, error) { return f.finisher.Finish(ctx) })
}
