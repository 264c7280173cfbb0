// Package plainget answers plain GET requests on connections of net/http, before that
// sees them: the headers of most requests for what a handler has in memory cost more to
// be read and written by net/http than to be answered.
//
// # What is plain
//
// A request that came with one read, and nothing with it; GET and HTTP/1.1; a path of
// letters, digits and "/-_.+~" that the server wants answered so; one Host; headers that
// are known to ask for no more than another answer, each once, of printable ASCII. All
// else goes to net/http as it came, byte for byte: a body, a query, an escape, an unknown
// header, a request that came in parts. The first request of a connection does too.
//
// # When bytes begin a request
//
// net/http tells that a connection is idle ([http.Server.ConnState]), and then sets a
// deadline, and waits for four bytes. If it has some of them already, its buffer is
// shorter; if it has all of them, it sets another deadline. Only a read of a whole
// buffer, after one deadline and not a second one, begins a request. Should net/http ever
// do this in another order, no request is plain, and nothing else changes.
//
// # What the handler gets
//
// The request as net/http would have made it. Its context ends with the request or when
// the client goes away, which is looked for only if someone waits for it. The answer has the
// headers of net/http's. A body without a length is held in memory until the handler returns:
// no path may have large ones.
package plainget

import (
	"context"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// Server is what answers. All fields must be set before the first connection.
type Server struct {
	// Handler must give its answers a Content-Type, and tell of its own panics: they end
	// the connection, and nothing more is said of them.
	Handler http.Handler
	// Wants reports whether a request for a path may be answered here.
	Wants func(path string) bool
	// Idle is how long a connection may wait for its next request, Stall how long a client
	// may take for an answer, unless the handler gives it longer.
	Idle, Stall time.Duration

	answering atomic.Int64 // at this time
	taken     atomic.Int64 // in all
}

// Taken returns how many requests were plain, so far.
func (s *Server) Taken() int64 { return s.taken.Load() }

// Wait returns when nothing is being answered, or ctx ends. http.Server.Shutdown knows
// nothing of what is.
func (s *Server) Wait(ctx context.Context) error {
	for s.answering.Load() > 0 {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(5 * time.Millisecond):
		}
	}
	return nil
}

// Below is a connection as net/http knows it, and so as the handler does.
type Below interface {
	net.Conn
	io.ReaderFrom
}

// Conn is the reading side of one connection. Its owner, a [Below], passes on Read,
// SetReadDeadline and Close.
type Conn struct {
	server *Server
	below  Below
	net    net.Conn // what is below that
	ctx    context.Context

	full   int          // bytes of a buffer of net/http without anything in it
	stage  atomic.Int32 // what is known of the bytes that come next
	ahead  []byte       // came while a handler had someone look whether the client is there
	later  time.Time    // when the deadlines were set last
	answer answer

	mu      sync.Mutex // guards what follows
	busy    bool       // with an answer
	closing bool       // once that is out
}

// The stages of a connection.
const (
	inside  = iota // a request, or its answer
	idle           // net/http has said so
	between        // and has set its deadline: what comes with a whole buffer is a request
)

// NewConn returns the reading side of a connection; ctx has what its requests know.
func (s *Server) NewConn(ctx context.Context, below Below, conn net.Conn) *Conn {
	c := &Conn{server: s, below: below, net: conn}
	c.ctx = context.WithValue(ctx, http.LocalAddrContextKey, conn.LocalAddr())
	return c
}

// SetIdle tells that the connection is idle, as [http.Server.ConnState] does.
func (c *Conn) SetIdle() { c.stage.Store(idle) }

// SetReadDeadline implements net.Conn.
func (c *Conn) SetReadDeadline(t time.Time) error {
	if !c.stage.CompareAndSwap(idle, between) {
		c.stage.Store(inside)
	}
	return c.net.SetReadDeadline(t)
}

// Read implements net.Conn. Plain requests are answered; it returns what comes after them.
func (c *Conn) Read(p []byte) (int, error) {
	if c.full == 0 {
		c.full = len(p)
	}
	for c.stage.Load() == between && len(p) == c.full {
		if len(c.ahead) > 0 {
			c.stage.Store(inside)
			n := copy(p, c.ahead)
			c.ahead = nil
			return n, nil
		}
		n, err := c.net.Read(p)
		if err != nil {
			return n, err
		}
		var r request
		if !r.parse(p[:n]) || !c.server.Wants(r.path) {
			c.stage.Store(inside)
			return n, nil
		}
		if err := c.serve(&r); err != nil {
			return 0, err
		}
	}
	return c.net.Read(p)
}

// serve answers a request. After an error the connection is of no use.
func (c *Conn) serve(r *request) error {
	if !c.begin() {
		return net.ErrClosed
	}
	now := time.Now()
	if now.Sub(c.later) > time.Second { // a second is nothing beside either
		c.later = now
		_ = c.net.SetWriteDeadline(now.Add(c.server.Stall))
		_ = c.net.SetReadDeadline(now.Add(c.server.Idle))
	}
	ctx := &requestContext{Context: c.ctx, conn: c}
	err := c.handle(r.with(ctx, c.net.RemoteAddr().String()))
	if ctx.finish() {
		c.later = time.Time{} // the deadline of reads is no more
		_ = c.net.SetReadDeadline(now.Add(c.server.Idle))
	}
	if c.end() {
		err = net.ErrClosed
	}
	return err
}

// handle has the handler answer. If that panics, the client must not take what it has for
// all there is.
func (c *Conn) handle(r *http.Request) (err error) {
	c.answer.begin(c)
	defer func() {
		if recover() != nil {
			err = io.ErrUnexpectedEOF
		}
		c.answer.end()
	}()
	c.server.Handler.ServeHTTP(&c.answer, r)
	return c.answer.finish()
}

// begin and end bound what Close must not cut off.
func (c *Conn) begin() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closing {
		return false
	}
	c.busy = true
	c.server.answering.Add(1)
	c.server.taken.Add(1)
	return true
}

// end reports whether the connection is to be closed, which it has done.
func (c *Conn) end() bool {
	c.mu.Lock()
	closing := c.closing
	c.busy = false
	c.mu.Unlock()
	if closing {
		_ = c.below.Close()
	}
	c.server.answering.Add(-1)
	return closing
}

// Close reports whether the connection may be closed now. If not, it will be as soon as
// its answer is out: net/http, which takes it for idle, closes it when the server stops.
func (c *Conn) Close() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closing = true
	return !c.busy
}
