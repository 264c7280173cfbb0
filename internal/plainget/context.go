package plainget

import (
	"context"
	"sync"
	"time"
)

// requestContext ends with its request, or when the client goes away. A goroutine looks
// for that once the handler waits for it, and not before.
type requestContext struct {
	context.Context // with what requests know; it does not end
	conn            *Conn

	mu      sync.Mutex // guards what follows
	done    chan struct{}
	err     error
	watched chan struct{} // closed once that goroutine has ended; nil: there was none
}

// Done implements context.Context.
func (c *requestContext) Done() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.done != nil {
		return c.done
	}
	c.done = make(chan struct{})
	if c.err != nil {
		close(c.done)
		return c.done
	}
	c.watched = make(chan struct{})
	_ = c.conn.net.SetReadDeadline(time.Time{})
	go c.watch()
	return c.done
}

// Err implements context.Context.
func (c *requestContext) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// watch waits until the client goes away, or sends more, which is kept.
func (c *requestContext) watch() {
	defer close(c.watched)
	var one [1]byte
	n, err := c.conn.net.Read(one[:])
	c.conn.ahead = one[:n]
	if err != nil {
		c.cancel()
	}
}

func (c *requestContext) cancel() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return
	}
	c.err = context.Canceled
	if c.done != nil {
		close(c.done)
	}
}

// finish ends it with the request, and reports whether the deadline of reads has changed.
func (c *requestContext) finish() bool {
	c.cancel()
	c.mu.Lock()
	watched := c.watched
	c.mu.Unlock()
	if watched == nil {
		return false
	}
	_ = c.conn.net.SetReadDeadline(time.Unix(1, 0)) // ends its read
	<-watched
	return true
}
