package plainget

import (
	"context"
	"sync"
	"time"
)

// A requestContext ends when its request is answered or the client disconnects. A goroutine
// watches the client only from the first call of Done on: most handlers never call it.
type requestContext struct {
	context.Context // values for requests; it does not end
	conn            *Conn

	mu      sync.Mutex // guards what follows
	done    chan struct{}
	err     error
	watched chan struct{} // closed when the goroutine has ended; nil: it was not started
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

// watch waits until the client disconnects or sends the next request, and keeps the byte
// that it reads then.
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

// finish ends the context and the goroutine. It reports whether the goroutine has changed
// the connection's read deadline.
func (c *requestContext) finish() bool {
	c.cancel()
	c.mu.Lock()
	watched := c.watched
	c.mu.Unlock()
	if watched == nil {
		return false
	}
	_ = c.conn.net.SetReadDeadline(time.Unix(1, 0)) // interrupts the read in watch
	<-watched
	return true
}
