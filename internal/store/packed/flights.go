package packed

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

// flights let all requests for a crate at the same time share one rebuild. It ends early
// only if all of them are cancelled.
type flights struct {
	mu  sync.Mutex // guards what follows
	now map[crate.Key]*flight
}

type flight struct {
	ticket *ticket
	stop   context.CancelFunc
	uses   int           // number of waiting callers; guarded by flights.mu
	done   chan struct{} // closed when what follows is known
	data   []byte
	err    error
}

// join waits for the rebuild of key and starts it if necessary; also adds the caller's
// client to a rebuild that waits.
func (f *flights) join(ctx context.Context, key crate.Key, begin func(context.Context, *ticket) ([]byte, error), also func(*ticket)) ([]byte, error) {
	f.mu.Lock()
	fl := f.now[key]
	if fl == nil {
		fl = f.start(ctx, key, begin)
	} else {
		also(fl.ticket)
	}
	fl.uses++
	f.mu.Unlock()
	select {
	case <-fl.done:
		return fl.data, fl.err
	case <-ctx.Done():
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if fl.uses--; fl.uses == 0 {
		fl.stop()
		f.forget(key, fl)
	}
	return nil, context.Cause(ctx)
}

// start starts a rebuild, which outlives its first caller. The caller holds mu.
func (f *flights) start(ctx context.Context, key crate.Key, begin func(context.Context, *ticket) ([]byte, error)) *flight {
	life, stop := context.WithCancel(context.WithoutCancel(ctx))
	fl := &flight{ticket: &ticket{clients: []string{store.Client(ctx)}}, stop: stop, done: make(chan struct{})}
	if f.now == nil {
		f.now = map[crate.Key]*flight{}
	}
	f.now[key] = fl
	go func() {
		defer stop()
		fl.data, fl.err = recovered(func() ([]byte, error) { return begin(life, fl.ticket) })
		f.mu.Lock()
		f.forget(key, fl)
		f.mu.Unlock()
		close(fl.done)
	}()
	return fl
}

func (f *flights) forget(key crate.Key, fl *flight) {
	if f.now[key] == fl {
		delete(f.now, key)
	}
}

// recovered turns a panic into a panicError, so that it costs one crate and not the server.
func recovered[T any](do func() (T, error)) (result T, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = panicError(fmt.Sprintf("panic: %v\n%s", p, debug.Stack()))
		}
	}()
	return do()
}

type panicError string

func (e panicError) Error() string { return string(e) }
