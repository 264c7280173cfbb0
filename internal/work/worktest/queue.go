// Package worktest is a work queue in memory for tests of jobs.
package worktest

import (
	"context"
	"sync"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/work"
)

// Queue is a work.Queue for one process. Its zero value is empty.
type Queue struct {
	mu      sync.Mutex // guards what follows
	waiting []message
	out     int
}

type message struct {
	ref     work.Ref
	attempt int
}

// Prepare implements work.Queue.
func (q *Queue) Prepare(context.Context) error { return nil }

// Give implements work.Queue.
func (q *Queue) Give(_ context.Context, task work.Ref, _ int64) error {
	q.put(message{task, 1})
	return nil
}

func (q *Queue) put(m message) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.waiting = append(q.waiting, m)
}

// Take implements work.Queue.
func (q *Queue) Take(ctx context.Context) (work.Taken, error) {
	for range 100 {
		q.mu.Lock()
		if len(q.waiting) > 0 {
			m := q.waiting[0]
			q.waiting, q.out = q.waiting[1:], q.out+1
			q.mu.Unlock()
			return &taken{q, m}, nil
		}
		q.mu.Unlock()
		select {
		case <-time.After(time.Millisecond):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return nil, nil
}

// Idle implements work.Queue.
func (q *Queue) Idle(context.Context) (bool, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.waiting)+q.out == 0, nil
}

// Wait implements work.Queue.
func (q *Queue) Wait() time.Duration { return time.Minute }

type taken struct {
	q *Queue
	m message
}

func (t *taken) Task() (work.Ref, error) { return t.m.ref, nil }
func (t *taken) Attempt() int            { return t.m.attempt }
func (t *taken) Extend() error           { return nil }

func (t *taken) Done(context.Context) error {
	t.q.mu.Lock()
	defer t.q.mu.Unlock()
	t.q.out--
	return nil
}

func (t *taken) Return(time.Duration) error {
	t.q.put(message{t.m.ref, t.m.attempt + 1})
	return t.Done(context.Background())
}
