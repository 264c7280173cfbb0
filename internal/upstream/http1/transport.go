// Package http1 is an HTTP/1.1 client for many small files.
//
// net/http has two goroutines for each connection, and each request wakes and waits for
// both; for crates of a few KB that took a fifth of the processor time (ADR 0012). Here the
// calling goroutine writes the request and reads the answer, with net/http's own parser
// ([http.ReadResponse]).
//
// It supports no proxies, request bodies or HTTP/2. An idle connection is not read, so bytes
// that a server sends there unrequested may be taken for the answer to the next request. Use
// it only if a checksum verifies the answer; if that fails, call
// [Transport.CloseIdleConnections]. A request is repeated once if it is refused on a
// connection that was unused for a second, or if the server closes the connection with the
// refusal.
package http1

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// A Transport is an [http.RoundTripper] with a store of idle connections. Its methods may be
// called concurrently. A request ends with its context and then returns the context's cause.
// A nil Transport makes no requests.
type Transport struct {
	base *http.Transport // for its settings

	mu    sync.Mutex // guards what follows
	idle  map[server][]*conn
	kept  int         // in idle
	sweep *time.Timer // closes unused connections; nil: there are none
}

var _ http.RoundTripper = (*Transport)(nil)

// New returns a Transport with the settings of base: dialer, TLS, timeouts, numbers of idle
// connections and sizes, none of them zero. Requests through base's proxies are left to
// base.
func New(base *http.Transport) *Transport { return &Transport{base: base} }

// server identifies the server of a connection.
type server struct {
	secure bool
	host   string // as in the URL, perhaps with a port
}

// address returns the address to dial.
func (s server) address(u *url.URL) string {
	port := u.Port()
	switch {
	case port != "":
	case s.secure:
		port = "443"
	default:
		port = "80"
	}
	return net.JoinHostPort(u.Hostname(), port)
}

// Can reports whether the Transport supports a request: it has no body and no proxy, and its
// host is an ASCII name.
func (t *Transport) Can(req *http.Request) bool {
	u := req.URL
	if t == nil || req.Body != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" ||
		strings.ContainsFunc(u.Hostname(), func(r rune) bool { return r >= 0x80 || r == '%' }) {
		return false
	}
	proxy, err := t.proxy(req)
	return proxy == nil && err == nil
}

func (t *Transport) proxy(req *http.Request) (*url.URL, error) {
	if t.base.Proxy == nil {
		return nil, nil
	}
	return t.base.Proxy(req)
}

// RoundTrip implements [http.RoundTripper] for requests that [Transport.Can] accepts. One
// goroutine must read or close the body of the answer; if it reads to the end, the
// connection is kept.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	if err := because(req.Context(), nil); err != nil {
		return nil, err
	}
	to := server{req.URL.Scheme == "https", req.URL.Host}
	if c := t.take(to); c != nil {
		unused := time.Since(c.since)
		resp, err := c.exchange(req)
		if !c.notMeant(req, resp, err, unused) {
			return resp, err
		}
		if resp != nil {
			_ = resp.Body.Close()
			t.CloseIdleConnections() // the right answer may still arrive, on the next request
		}
	}
	c, err := t.dial(req.Context(), to, req.URL)
	if err != nil {
		return nil, because(req.Context(), err)
	}
	return c.exchange(req)
}

// because returns the cause with which ctx ended, or else err.
func because(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

func (t *Transport) dial(ctx context.Context, to server, u *url.URL) (*conn, error) {
	raw, err := t.base.DialContext(ctx, "tcp", to.address(u))
	if err != nil {
		return nil, err
	}
	if !to.secure {
		return newConn(t, to, raw, raw), nil
	}
	cfg := t.base.TLSClientConfig.Clone()
	if cfg.ServerName == "" {
		cfg.ServerName = u.Hostname()
	}
	cfg.NextProtos = []string{"http/1.1"}
	within, cancel := context.WithTimeoutCause(ctx, t.base.TLSHandshakeTimeout, handshakeError{})
	defer cancel()
	secure := tls.Client(raw, cfg)
	if err := secure.HandshakeContext(within); err != nil {
		_ = raw.Close() // the handshake's error is the one to report
		return nil, because(within, err)
	}
	return newConn(t, to, raw, secure), nil
}

// handshakeError implements net.Error.
type handshakeError struct{}

func (handshakeError) Error() string   { return "TLS handshake timeout" }
func (handshakeError) Timeout() bool   { return true }
func (handshakeError) Temporary() bool { return true }

// take returns the most recently used idle connection, or nil.
func (t *Transport) take(to server) *conn {
	t.mu.Lock()
	defer t.mu.Unlock()
	list := t.idle[to]
	if len(list) == 0 {
		return nil
	}
	c := list[len(list)-1]
	list[len(list)-1] = nil
	t.idle[to] = list[:len(list)-1]
	t.kept--
	return c
}

// put keeps a connection, unless there are enough.
func (t *Transport) put(c *conn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.kept >= t.base.MaxIdleConns || len(t.idle[c.to]) >= t.base.MaxIdleConnsPerHost {
		c.close()
		return
	}
	if t.idle == nil {
		t.idle = map[server][]*conn{}
	}
	c.since = time.Now()
	t.idle[c.to] = append(t.idle[c.to], c)
	t.kept++
	if t.sweep == nil {
		t.sweep = time.AfterFunc(t.base.IdleConnTimeout, t.closeUnused)
	}
}

// closeUnused closes connections that were unused for too long, and schedules its next
// call.
func (t *Transport) closeUnused() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closeSince(time.Now().Add(-t.base.IdleConnTimeout))
	if t.sweep != nil && t.kept > 0 {
		t.sweep.Reset(max(t.base.IdleConnTimeout/2, time.Millisecond))
		return
	}
	t.sweep = nil
}

// closeSince closes the connections that have been idle since then or longer. The caller
// holds mu.
func (t *Transport) closeSince(then time.Time) {
	for to, list := range t.idle {
		n := 0 // the first have been idle longest
		for n < len(list) && !list[n].since.After(then) {
			list[n].close()
			n++
		}
		t.kept -= n
		if t.idle[to] = append(list[:0], list[n:]...); n == len(list) {
			delete(t.idle, to)
		}
		clear(list[len(list)-n:])
	}
}

// CloseIdleConnections closes all idle connections.
func (t *Transport) CloseIdleConnections() {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closeSince(time.Now())
	if t.sweep != nil {
		t.sweep.Stop()
		t.sweep = nil
	}
}
