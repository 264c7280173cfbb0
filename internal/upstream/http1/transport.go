// Package http1 asks HTTP/1.1 servers for many small files.
//
// net/http has two goroutines for each connection, which each request wakes and waits for;
// for crates of a few KB that was a fifth of the processor time (ADR 0012). Here
// the goroutine that asks writes the request and reads the answer. What reads the answer is
// net/http's own parser ([http.ReadResponse]).
//
// It knows no proxies, no bodies of requests and no HTTP/2. While a connection waits for its
// next request it is not read, so what a server sends there unasked may be taken for the
// answer to that request. It is therefore only for what a checksum proves; when something
// else came, call [Transport.CloseIdleConnections]. A refusal after a second's wait, or with
// which the server closes, is asked for once more.
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

// A Transport is an [http.RoundTripper] with a store of kept connections. Its methods may be
// called concurrently. A request ends with its context, whose cause is the error then. A nil
// Transport makes no request.
type Transport struct {
	base *http.Transport // for its settings

	mu    sync.Mutex // guards what follows
	idle  map[server][]*conn
	kept  int         // in idle
	sweep *time.Timer // closes what is unused; nil: nothing is kept
}

var _ http.RoundTripper = (*Transport)(nil)

// New returns a Transport with the settings of base: dialer, TLS, time-outs, connections to
// be kept and sizes, none of them zero, and the proxies whose requests it leaves to base.
func New(base *http.Transport) *Transport { return &Transport{base: base} }

// server is what a connection leads to.
type server struct {
	secure bool
	host   string // as the URL has it, perhaps with a port
}

// address is where to dial.
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

// Can reports whether a request can be made here: without a body or a proxy, to a host whose
// name needs no translation.
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

// RoundTrip implements [http.RoundTripper] for requests that it [Transport.Can] make.
// The body of the answer must be read or closed by one goroutine; the connection is kept
// if it was read to its end.
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
			t.CloseIdleConnections() // the answer that was meant may come to the next request
		}
	}
	c, err := t.dial(req.Context(), to, req.URL)
	if err != nil {
		return nil, because(req.Context(), err)
	}
	return c.exchange(req)
}

// because returns the reason for which ctx has ended, or else err.
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
		_ = raw.Close() // the error that counts is the handshake's
		return nil, because(within, err)
	}
	return newConn(t, to, raw, secure), nil
}

// handshakeError satisfies net.Error.
type handshakeError struct{}

func (handshakeError) Error() string   { return "TLS handshake timeout" }
func (handshakeError) Timeout() bool   { return true }
func (handshakeError) Temporary() bool { return true }

// take returns a kept connection, the one that was used last, or nil.
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

// closeUnused closes what was not used for so long, and comes back.
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

// closeSince closes the connections that wait since then or longer. The caller has mu.
func (t *Transport) closeSince(then time.Time) {
	for to, list := range t.idle {
		n := 0 // the first have waited longest
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

// CloseIdleConnections closes all that are kept.
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
