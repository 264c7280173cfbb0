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

// maxInformational is the number of informational answers, such as "103 Early Hints", that
// may precede the final one; it is net/http's limit.
const maxInformational = 5

// conn is a connection. It belongs to the goroutine of a request, to the body of an answer,
// or to the Transport's store.
type conn struct {
	t     *Transport
	to    server
	raw   net.Conn // below TLS
	wire  net.Conn
	r     *bufio.Reader // reads from this conn
	w     *bufio.Writer // to wire
	left  int64         // bytes that may still be read
	came  bool          // bytes of an answer arrived since the request began
	since time.Time     // when it was put into the store
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

// close closes the connection. It says no goodbye, because every answer marks its own end.
func (c *conn) close() { _ = c.raw.Close() }

// exchange sends a request and returns the answer once its header is complete. The
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
		start, _ := c.r.Peek(1)                 // ReadResponse reports the error again
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

// longUnused is the time without use after which a server may send something unrequested on
// a connection.
const longUnused = time.Second

// notMeant reports whether the outcome may not belong to this request, so that it can be
// repeated. That is so if the connection was unused for long: the server may have closed it
// before the request arrived, or have sent a 400 or 408, or something that is not an
// answer. No checksum verifies a refusal.
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

// body is the body of an answer.
type body struct {
	conn *conn
	ctx  context.Context // of the request
	stop func() bool     // prevents ctx from closing the connection
	src  io.Reader
	keep bool  // keep the connection if the body is read to its end
	err  error // of every later Read
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

// Close implements io.Closer. It does not wait for unread bytes.
func (b *body) Close() error {
	if b.err == nil {
		b.end(http.ErrBodyReadAfterClose)
	}
	return nil
}

// end ends the body, and keeps the connection if exactly the whole body has arrived.
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
