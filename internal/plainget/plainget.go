// Package plainget answers plain GET requests on connections of net/http, before net/http
// reads them. If a handler has the response in memory, net/http spends more time on the
// headers of a request than the handler needs to answer it.
//
// # Plain requests
//
// A request is plain if all of this is true: a single read returned the whole request and
// nothing else; the method is GET and the version HTTP/1.1; the path has only letters, digits
// and "/-_.+~", and [Server.Wants] accepts it; there is one Host; every other header is known
// to affect only the choice of the response, occurs once and is printable ASCII.
//
// net/http gets all other requests, byte for byte: those with a body, a query, an escape or
// an unknown header, those that arrive in parts, and the first one of each connection.
//
// # Where a request begins
//
// net/http reports that a connection is idle ([http.Server.ConnState]), then sets a read
// deadline, then waits for four bytes. If it already has some of them, it reads into a
// shorter buffer; if it has all four, it sets a second deadline. So a request begins only
// with a read into a full buffer after exactly one deadline. If a later net/http does this in
// another order, no request is plain, and net/http answers them all.
//
// # What a handler sees
//
// The handler gets the same request as from net/http. The request's context ends when the
// request is answered or the client disconnects; the client is watched only if the handler
// waits for that. The response has the same headers as from net/http. A body without a
// Content-Length is kept in memory until the handler returns, so Wants must not accept paths
// with large bodies of that kind.
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

// A Server answers plain requests. All fields must be set before the first connection.
type Server struct {
	// Handler must set Content-Type, and must log its own panics: here a panic only closes
	// the connection.
	Handler http.Handler
	// Wants reports whether plain requests for a path may be answered here.
	Wants func(path string) bool
	// Idle is how long a connection may wait for its next request. Stall is how long a client
	// may take to receive a response, unless the handler extends the deadline.
	Idle, Stall time.Duration

	answering atomic.Int64 // requests being answered now
	taken     atomic.Int64 // requests answered since the start

	mu     sync.Mutex     // guards what follows
	ending map[*Conn]bool // connections that are closed when their answers are written
}

// Taken returns the number of plain requests so far.
func (s *Server) Taken() int64 { return s.taken.Load() }

// Wait waits until no request is being answered here, or ctx ends. http.Server.Shutdown does
// not wait for these requests: to net/http their connections are idle.
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

// Close closes the connections that net/http has closed and whose answers are not written
// yet. Call it after http.Server.Close, which leaves them open.
func (s *Server) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.ending {
		_ = c.net.Close() // ends what the handler writes and waits for
	}
}

// Below is a connection as net/http and the handler see it.
type Below interface {
	net.Conn
	io.ReaderFrom
}

// Conn is the reading side of one connection. Its owner, a [Below], passes on Read,
// SetReadDeadline and Close.
type Conn struct {
	server *Server
	below  Below
	net    net.Conn // the connection to which below writes
	ctx    context.Context

	full   int          // size of net/http's buffer when it is empty, in bytes
	stage  atomic.Int32 // what net/http expects next
	ahead  []byte       // byte of the next request that requestContext.watch has read
	later  time.Time    // when the deadlines were last set
	answer answer

	mu      sync.Mutex // guards what follows
	busy    bool       // a request is being answered
	closing bool       // close when the answer is written
}

// Stages of a connection.
const (
	inside  = iota // within a request or its response
	idle           // net/http has reported that the connection is idle
	between        // and has set one deadline: a read into a full buffer begins a request
)

// NewConn returns the reading side of a connection; ctx has the values for the contexts of
// its requests.
func (s *Server) NewConn(ctx context.Context, below Below, conn net.Conn) *Conn {
	c := &Conn{server: s, below: below, net: conn}
	c.ctx = context.WithValue(ctx, http.LocalAddrContextKey, conn.LocalAddr())
	return c
}

// SetIdle notes that the connection is idle. Call it from [http.Server.ConnState].
func (c *Conn) SetIdle() { c.stage.Store(idle) }

// SetReadDeadline implements net.Conn.
func (c *Conn) SetReadDeadline(t time.Time) error {
	if !c.stage.CompareAndSwap(idle, between) {
		c.stage.Store(inside)
	}
	return c.net.SetReadDeadline(t)
}

// Read implements net.Conn. It answers plain requests, and returns the bytes that follow
// them.
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

// serve answers a request. After an error the connection must not be used.
func (c *Conn) serve(r *request) error {
	if !c.begin() {
		return net.ErrClosed
	}
	now := time.Now()
	if now.Sub(c.later) > c.server.Idle/100 { // system calls cost time, and a second does not matter
		c.later = now
		_ = c.net.SetWriteDeadline(now.Add(c.server.Stall))
		_ = c.net.SetReadDeadline(now.Add(c.server.Idle))
	}
	ctx := &requestContext{Context: c.ctx, conn: c}
	err := c.handle(r.with(ctx, c.net.RemoteAddr().String()))
	now = time.Now()
	if ctx.finish() || now.Sub(c.later) > c.server.Idle/100 { // a slow answer is not idle time
		c.later = time.Time{}
		_ = c.net.SetReadDeadline(now.Add(c.server.Idle))
	}
	if c.end() {
		err = net.ErrClosed
	}
	return err
}

// handle calls the handler. After a panic it returns an error, so that the connection is
// closed and the client does not take a partial response for a complete one.
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

// begin marks the connection as busy, so that Close does not interrupt the answer. It
// returns false if the connection is closing.
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

// end marks the connection as no longer busy. If Close was called meanwhile, end closes the
// connection and returns true.
func (c *Conn) end() bool {
	c.mu.Lock()
	closing := c.closing
	c.busy = false
	c.mu.Unlock()
	if closing {
		_ = c.below.Close()
		c.server.mu.Lock()
		delete(c.server.ending, c)
		c.server.mu.Unlock()
	}
	c.server.answering.Add(-1)
	return closing
}

// Close reports whether the caller may close the connection now. If not, a request is being
// answered, and the connection is closed after that. net/http closes busy connections when a
// server stops, because to it they are idle.
func (c *Conn) Close() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closing = true
	if c.busy {
		c.server.leave(c)
	}
	return !c.busy
}

// leave notes a connection that Close closes if its answer takes too long.
func (s *Server) leave(c *Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ending == nil {
		s.ending = map[*Conn]bool{}
	}
	s.ending[c] = true
}
