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

// failure is the outcome of an attempt that did not deliver the crate.
type failure struct {
	err       error
	kind      kind
	transient bool             // another attempt may succeed
	verdict   adaptive.Verdict // for the limiter
	status    int              // HTTP status of a complete answer, otherwise codeNet
	pause     time.Duration    // Retry-After
	answered  bool             // headers arrived, but not a complete body

	gone     bool                 // upstream permanently refuses this file
	past     bool                 // a cache in between, or the server's machine, may be at fault
	mismatch *crate.ChecksumError // the answer was complete, but the bytes wrong
	evidence *Evidence            // set with gone and with mismatch
}

// kind says which counter of the breaker a failure belongs to.
type kind int

const (
	unreachable kind = iota // no usable answer
	refused                 // an answer, but without the crate
	certificate             // the server could not prove its identity
	local                   // not upstream's fault
)

// attempt makes one request. The body gets the slot; without a body, the caller keeps it.
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
		// net/http hands over the connection: reading this "body" would never end, even
		// after the request is cancelled. We did not ask for the switch, so close it
		// unread.
		return nil, statusFailure(resp, nil)
	}
	if resp.StatusCode != http.StatusOK {
		// A few bytes identify the sender, and reading a small answer to its end lets the
		// connection be used again. If reading fails, there is less evidence.
		head, _ := io.ReadAll(io.LimitReader(resp.Body, evidenceSize))
		return nil, statusFailure(resp, head)
	}
	// A gzip label is tolerated because some storage sets one for every .gz: the bytes are
	// used as received, and the checksum decides.
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
		c.small.CloseIdleConnections() // answers may be out of step with requests
		return nil, mismatchFailure(f.req, resp, sum, r.size, head)
	}
	return body, nil
}

// request returns the request of the next attempt.
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

// statusFailure returns the failure for a status other than 200.
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

// networkFailure returns the failure for an error before the headers were complete.
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

// bodyFailure returns the failure for an error while reading the body.
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
