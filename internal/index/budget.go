package index

import (
	"context"
	"sync"
)

// A budget bounds the bytes that are read ahead of the loop. Chunks are read out of order
// but delivered in order, so the next one to be delivered must never wait for those behind
// it: it may exceed the budget by chunkBytes and one file.
type budget struct {
	mu        sync.Mutex
	changed   sync.Cond // free, preferred or closed
	free      int64
	preferred *chunk // delivered next
	closed    bool
}

func newBudget(size int64) *budget {
	b := &budget{free: size}
	b.changed.L = &b.mu
	return b
}

// take waits until c may have n bytes. It fails if the run is over.
func (b *budget) take(c *chunk, n int64) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	for b.free < n && b.preferred != c && !b.closed {
		b.changed.Wait()
	}
	if b.closed {
		return context.Canceled
	}
	b.free -= n
	c.taken += n
	return nil
}

// awaitTurn waits until c is next to be delivered.
func (b *budget) awaitTurn(c *chunk) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	for b.preferred != c && !b.closed {
		b.changed.Wait()
	}
	if b.closed {
		return context.Canceled
	}
	return nil
}

// give returns n bytes.
func (b *budget) give(n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.free += n
	b.changed.Broadcast()
}

// prefer makes c the next chunk to be delivered.
func (b *budget) prefer(c *chunk) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.preferred = c
	b.changed.Broadcast()
}

// close ends all waiting.
func (b *budget) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	b.changed.Broadcast()
}
