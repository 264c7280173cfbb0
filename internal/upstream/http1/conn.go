package http1

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"time"
)

// maxInformational is how many answers of the kind "103 Early Hints" may come before the
// one that counts; net/http takes as many.
const maxInformational = 5

// conn is a connection. It belongs to the goroutine of one request, to the body of the
// answer, or to the Transport's store.
type conn struct {
	t     *Transport
	to    server
	raw   net.Conn // below TLS
	wire  net.Conn
	r     *bufio.Reader // of this
	w     *bufio.Writer // to wire
	left  int64         // bytes that may still be read
	came  bool          // an answer, since the request was begun
	since time.Time     // when it was kept
}

func newConn(t *Transport, to server, raw, wire net.Conn) *conn {
	c := &conn{t: t, to: to, raw: raw, wire: wire, w: bufio.NewWriterSize(wire, 1<<10)}
	c.r = bufio.NewReaderSize(c, t.base.ReadBufferSize)
	return c
}

// Read implements io.Reader for the bufio.Reader.
func (c *conn) Read(p []byte) (int, error) {
	if c.left <= 0 {
		return 0, fmt.Errorf("the header of the answer has more than %d bytes", c.t.base.MaxResponseHeaderBytes)
	}
	n, err := c.wire.Read(p[:min(int64(len(p)), c.left)])
	c.left -= int64(n)
	return n, err
}

// close needs no goodbye: every answer says itself where it ends.
func (c *conn) close() { _ = c.raw.Close() }

// exchange sends a request, and returns the answer as soon as its header is here. The
// connection ends with the request's context.
func (c *conn) exchange(req *http.Request) (*http.Response, error) {
	ctx := req.Context()
	stop := context.AfterFunc(ctx, c.close)
	resp, err := c.ask(req)
	if err != nil {
		stop()
		c.close()
		return nil, because(ctx, err)
	}
	b := &body{conn: c, ctx: ctx, stop: stop, src: resp.Body}
	b.keep = !resp.Close && !req.Close && resp.StatusCode != http.StatusSwitchingProtocols
	if resp.Body == http.NoBody {
		b.end(io.EOF)
	}
	resp.Body = b
	return resp, nil
}

func (c *conn) ask(req *http.Request) (*http.Response, error) {
	c.came = false
	if err := req.Write(c.w); err != nil {
		return nil, err
	}
	if err := c.w.Flush(); err != nil {
		return nil, err
	}
	for range 1 + maxInformational {
		c.left = c.t.base.MaxResponseHeaderBytes
		start, _ := c.r.Peek(1)                 // ReadResponse meets the error again
		c.came = c.came || string(start) == "H" // as in HTTP/1.1
		resp, err := http.ReadResponse(c.r, req)
		if err == io.ErrUnexpectedEOF && !c.came {
			err = io.EOF
		}
		if err != nil {
			return nil, err
		}
		if code := resp.StatusCode; code >= 200 || code < 100 || code == http.StatusSwitchingProtocols {
			c.left = math.MaxInt64
			return resp, nil
		}
	}
	return nil, errors.New("too many informational answers (1xx)")
}

// longUnused is how long a connection waits before a server says something there of its own.
const longUnused = time.Second

// notMeant reports whether the outcome of a request may be none of its own, so that it can
// be made again. Its connection was kept and unused for so long: the server may have closed
// it before the request came, or have said 400 or 408, or what is no answer. No checksum
// proves a refusal.
func (c *conn) notMeant(req *http.Request, resp *http.Response, err error, unused time.Duration) bool {
	if req.Context().Err() != nil {
		return false
	}
	if err != nil {
		return !c.came
	}
	code := resp.StatusCode
	return code >= 400 && code < 500 && code != http.StatusTooManyRequests && (resp.Close || unused >= longUnused)
}

// body is that of an answer.
type body struct {
	conn *conn
	ctx  context.Context // of the request
	stop func() bool     // keeps ctx from closing the connection
	src  io.Reader
	keep bool  // the connection, if the body is read to its end
	err  error // of every Read from now on
}

// Read implements io.Reader.
func (b *body) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	n, err := b.src.Read(p)
	if err != nil {
		b.end(err)
	}
	return n, b.err
}

// Close implements io.Closer. What was not read is not worth waiting for.
func (b *body) Close() error {
	if b.err == nil {
		b.end(http.ErrBodyReadAfterClose)
	}
	return nil
}

// end ends the body for a reason, and keeps the connection if all came, and nothing else.
func (b *body) end(why error) {
	b.err = why
	switch whole := b.stop(); {
	case whole && why == io.EOF && b.keep && b.conn.r.Buffered() == 0:
		b.conn.t.put(b.conn)
	case why == io.EOF:
		b.conn.close()
	default:
		b.conn.close()
		b.err = because(b.ctx, why)
	}
}
