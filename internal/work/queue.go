package work

import (
	"context"
	"time"
)

// Queue hands out tasks. It may lose them, and hand them out several times. Its methods may
// be called concurrently.
type Queue interface {
	// Prepare makes the queue if it does not exist. It never empties one.
	Prepare(ctx context.Context) error
	// Give gives out a task. A repeated call in the same pass counts once. Errors:
	// ErrNoQueue.
	Give(ctx context.Context, task Ref, pass int64) error
	// Take waits for a task for a bounded time, and returns nil if there is none. Errors:
	// ErrNoQueue.
	Take(ctx context.Context) (Taken, error)
	// Idle reports whether no task is waiting or handed out. Errors: ErrNoQueue.
	Idle(ctx context.Context) (bool, error)
	// Wait returns the time without a sign of life after which a worker is considered dead.
	Wait() time.Duration
}

// Taken is a task that was handed to this worker.
type Taken interface {
	Task() (Ref, error) // or why the message is invalid
	Attempt() int       // from 1
	Extend() error      // reports that the worker is alive
	// Done reports that the result is durable, and waits for the queue to confirm.
	Done(ctx context.Context) error
	Return(after time.Duration) error // to be handed out again
}
