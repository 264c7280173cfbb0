package index

import (
	"context"
	"sync"
)

// A budget bounds the bytes that are read ahead of the loop. Chunks are read
// out of order but delivered in order, so the one that is delivered next must
// never wait for those behind it: it may overdraw, by as much as chunkBytes
// and one file.
type budget struct {
	mu        sync.Mutex
	changed   sync.Cond // free, preferred or closed
	free      int64
	preferred *chunk // is delivered next
	closed    bool
}

func newBudget(size int64) *budget {
	b := &budget{free: size}
	b.changed.L = &b.mu
	return b
}

// take waits until c may have n bytes. It fails when the run is over.
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

// awaitTurn waits until c is delivered next.
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

// prefer says that c is delivered next.
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
