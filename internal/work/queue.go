package work

import (
	"context"
	"time"
)

// Queue hands tasks out. It may forget them, and hand them out several times. Its
// methods may be called concurrently.
type Queue interface {
	// Prepare makes the queue if it is not there. It empties nothing.
	Prepare(ctx context.Context) error
	// Give gives a task out. Said again in the same pass, it counts once. Errors:
	// ErrNoQueue.
	Give(ctx context.Context, task Ref, pass int64) error
	// Take waits for a task, for a bounded time: without one it returns nil. Errors: ErrNoQueue.
	Take(ctx context.Context) (Taken, error)
	// Idle reports whether no task waits and none is out. Errors: ErrNoQueue.
	Idle(ctx context.Context) (bool, error)
	// Wait is after which silence a worker is taken for dead.
	Wait() time.Duration
}

// Taken is a task that was given to this worker.
type Taken interface {
	Task() (Ref, error) // or what is wrong with the message
	Attempt() int       // from 1
	Extend() error      // the worker is alive
	// Done says that the result is durable, and waits until the queue has heard it.
	Done(ctx context.Context) error
	Return(after time.Duration) error // to be given out again
}
