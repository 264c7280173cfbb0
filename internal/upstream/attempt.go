package upstream

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/upstream/adaptive"
)

// failure is the outcome of an attempt that brought no crate.
type failure struct {
	err       error
	kind      kind
	transient bool             // another attempt may do better
	verdict   adaptive.Verdict // for the limiter
	status    int              // HTTP status of a complete answer, else codeNet
	pause     time.Duration    // Retry-After
	answered  bool             // headers came, and no whole body

	gone     bool                 // this file is refused permanently
	past     bool                 // a cache on the way, or the machine there, may be what is wrong
	mismatch *crate.ChecksumError // the answer was complete, the bytes wrong
	evidence *Evidence            // set with gone and with mismatch
}

// kind says what counter of the breaker a failure belongs to.
type kind int

const (
	unreachable kind = iota // no usable answer
	refused                 // an answer, but not the crate
	certificate             // the server could not prove who it is
	local                   // not upstream's fault
)

// attempt makes one request. The slot goes into the body, or stays the
// caller's if there is none.
func (c *Client) attempt(ctx context.Context, f *fetch, s adaptive.Slot) (*Body, *failure) {
	start := time.Now()
	c.metrics.inflight.Inc()
	defer c.metrics.inflight.Dec()

	attemptCtx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	w := watch(cancel, &c.cfg)
	body, fail := c.exchange(attemptCtx, f, w)
	w.stop()

	read := w.read.Load()
	f.stats.Bytes += read
	switch {
	case fail == nil:
		body.slot, body.held = s, true
		c.metrics.attempt(true, http.StatusOK, read, time.Since(start))
	case ctx.Err() == nil: // else we are being stopped, which is no error
		c.metrics.attempt(false, fail.status, read, time.Since(start))
	}
	return body, fail
}

func (c *Client) exchange(ctx context.Context, f *fetch, w *watchdog) (*Body, *failure) {
	resp, err := c.roundTrip(f.request(ctx), f.req.Guarded, true)
	if err != nil {
		return nil, networkFailure(ctx, err)
	}
	defer func() { _ = resp.Body.Close() }()
	w.reading.Store(true)

	if resp.StatusCode == http.StatusSwitchingProtocols {
		// net/http gives the connection away: reading its "body" would never end, whatever
		// becomes of the request. It was not asked for: close it unread.
		return nil, statusFailure(resp, nil)
	}
	if resp.StatusCode != http.StatusOK {
		// Few bytes tell who answers; and a small answer read to its end leaves
		// the connection usable. If reading fails, less evidence is kept.
		head, _ := io.ReadAll(io.LimitReader(resp.Body, evidenceSize))
		return nil, statusFailure(resp, head)
	}
	// A gzip label is tolerated because some storage puts one on every .gz: the
	// bytes are taken as they come, and the checksum decides.
	switch encoding := resp.Header.Get("Content-Encoding"); encoding {
	case "", "identity", "gzip", "x-gzip":
	default:
		return nil, &failure{
			err: fmt.Errorf("the answer has Content-Encoding %.40q, which was not asked for (%s)",
				encoding, gatherEvidence(resp, nil).Headers()),
			kind: refused, status: http.StatusOK, transient: true,
		}
	}
	r := bodyReader{ctx: ctx, client: c, fetch: f, watchdog: w, src: resp.Body}
	body, err := r.read(resp.ContentLength)
	if err != nil {
		return nil, bodyFailure(ctx, err)
	}
	if sum := r.sum(); sum != f.req.Checksum {
		head := append([]byte(nil), r.head(body)...)
		body.Release()
		c.small.CloseIdleConnections() // answers may be out of step with questions
		return nil, mismatchFailure(f.req, resp, sum, r.size, head)
	}
	return body, nil
}

// request is the next attempt's.
func (f *fetch) request(ctx context.Context) *http.Request {
	req := (&http.Request{
		Method: http.MethodGet, URL: f.url, Header: f.header, Host: f.url.Host,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Close: f.fresh,
	}).WithContext(ctx)
	if user := f.url.User; user != nil {
		req.Header = req.Header.Clone()
		password, _ := user.Password()
		req.SetBasicAuth(user.Username(), password)
	}
	return req
}

// statusFailure judges a status other than 200.
func statusFailure(resp *http.Response, head []byte) *failure {
	code := resp.StatusCode
	fail := &failure{err: &StatusError{code}, kind: refused, status: code}
	switch {
	case code == 403 || code == 404 || code == 410 || code == 451:
		fail.gone = true
		fail.evidence = gatherEvidence(resp, head)
	case code == 408 || code == 425 || code == 429 || code >= 500:
		fail.kind, fail.transient = unreachable, true
		fail.pause = retryAfter(resp.Header)
		if code == 429 || code == 503 {
			fail.verdict = adaptive.Overloaded
		}
	case code < 300 || code == 304: // these were not asked for (B23)
		fail.transient = true
	}
	return fail
}

func mismatchFailure(req Request, resp *http.Response, got crate.Checksum, size int64, head []byte) *failure {
	err := &crate.ChecksumError{ID: req.ID, Want: req.Checksum, Got: got, Size: size}
	return &failure{
		err: err, kind: refused, status: resp.StatusCode, transient: true, past: true, mismatch: err,
		evidence: gatherEvidence(resp, head),
	}
}

// networkFailure judges an error on the way to the headers.
func networkFailure(ctx context.Context, err error) *failure {
	if redirect, ok := errors.AsType[*RedirectError](err); ok {
		return &failure{err: err, kind: refused, status: redirect.Status}
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return &failure{err: err, kind: certificate}
	}
	if _, ok := errors.AsType[*privateAddressError](err); ok {
		return &failure{err: err}
	}
	fail := &failure{err: err, transient: true}
	if cut, ok := context.Cause(ctx).(*timeoutError); ok {
		fail.err = cut // the watchdog's reason says more than "context canceled"
	}
	if timeout, ok := errors.AsType[net.Error](fail.err); ok && timeout.Timeout() {
		fail.verdict = adaptive.Overloaded
	}
	return fail
}

// bodyFailure judges an error while the body was read.
func bodyFailure(ctx context.Context, err error) *failure {
	if _, ok := errors.AsType[*localError](err); ok {
		return &failure{err: err, kind: local}
	}
	if _, ok := errors.AsType[*sizeError](err); ok {
		return &failure{err: err, kind: refused, status: http.StatusOK}
	}
	fail := networkFailure(ctx, err)
	fail.err, fail.answered = fmt.Errorf("reading the body: %w", fail.err), true
	return fail
}
