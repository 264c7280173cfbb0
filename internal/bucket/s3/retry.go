package s3

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"time"
)

// tries is how often a request is made before its error is returned. With the longest
// pauses that takes about a minute, which bridges the restart of a server.
const tries = 8

// firstBackoff is the upper bound of the first pause. Each later bound is twice the one
// before.
const firstBackoff = 200 * time.Millisecond

// errStalled says that no byte moved for Options.Stall.
var errStalled = errors.New("no byte moved for too long")

// errShort says that the body to send ends early.
var errShort = errors.New("the body to send is shorter than announced")

// try repeats a request until it succeeds, fails with a permanent error, or has been tried
// often enough.
func (b *Bucket) try(ctx context.Context, verb, key string, do func(*watch) error) error {
	return b.tryWithin(ctx, b.opts.Stall, verb, key, do)
}

func (b *Bucket) tryWithin(ctx context.Context, stall time.Duration, verb, key string, do func(*watch) error) error {
	for n := 1; ; n++ {
		err := ctx.Err()
		if err == nil {
			err = once(ctx, stall, do)
		}
		if err == nil {
			return nil
		}
		if n == tries || !transient(err) || !b.pause(ctx, n, verb, key, err) {
			return b.fail(ctx, verb, key, n, errors.Join(ctx.Err(), err))
		}
	}
}

func once(ctx context.Context, stall time.Duration, do func(*watch) error) error {
	w := newWatch(ctx, stall)
	err := do(w)
	if err != nil && errors.Is(context.Cause(w.ctx), errStalled) {
		err = errStalled
	}
	if err != nil || !w.kept {
		w.stop()
	}
	return err
}

// pause waits for a random time, so that clients that collided do not collide again.
func (b *Bucket) pause(ctx context.Context, n int, verb, key string, err error) bool {
	if ctx.Err() != nil {
		return false
	}
	longest := min(firstBackoff<<(n-1), b.opts.Backoff)
	b.opts.Log.DebugContext(ctx, "request to the bucket is repeated", "error", b.fail(ctx, verb, key, n, err))
	select {
	case <-ctx.Done():
		return false
	case <-time.After(rand.N(longest) + 1):
		return true
	}
}

// A watch cancels a request in which no byte moves.
type watch struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	timer  *time.Timer
	stall  time.Duration
	kept   bool // the body of the response outlives the request
}

func newWatch(ctx context.Context, stall time.Duration) *watch {
	ctx, cancel := context.WithCancelCause(ctx)
	return &watch{ctx: ctx, cancel: cancel, stall: stall, timer: time.AfterFunc(stall, func() { cancel(errStalled) })}
}

func (w *watch) moved() { w.timer.Reset(w.stall) }

func (w *watch) stop() {
	w.timer.Stop()
	w.cancel(nil)
}

// sending is a body that is being sent.
type sending struct {
	*io.SectionReader
	w     *watch
	short *bool
}

func (s sending) Read(p []byte) (int, error) {
	n, err := s.SectionReader.Read(p)
	s.w.moved()
	if err != nil && err != io.EOF || err == io.EOF && n == 0 && !s.done() {
		*s.short = true
		err = errShort
	}
	return n, err
}

func (s sending) done() bool {
	at, err := s.Seek(0, io.SeekCurrent)
	return err == nil && at >= s.Size()
}
