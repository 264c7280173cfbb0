package upstream

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/upstream/adaptive"
)

// A Question asks for a small text that no checksum proves: an index file, a feed. It is
// downloaded as a crate file is (limit, pauses, retries, redirects, watchdog, breaker), but
// only Check verifies the answer.
type Question struct {
	URL    string      // absolute, http or https
	Header http.Header // in addition to the client's own: conditions, accepted types
	// MaxSize is the maximum size of the answer, decoded, in bytes. It must not be 0.
	MaxSize int64
	// Guarded says that the operator did not name the URL's host; see Request.
	Guarded bool
	// Again asks caches to revalidate, and uses a new connection.
	Again bool
	// Check returns why an answer with status 200 cannot be right: the page of a captive
	// portal, half a file. The question is then asked again, past caches. If nil, every
	// answer is accepted.
	Check func(*Answer) error
}

// An Answer is a complete answer with a status that says something about the text: 200; 304
// if the question had a condition; 403, 404, 410 or 451. The caller must release it.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte // decoded; for statuses other than 200 only the beginning
	Read   int64  // bytes of bodies received, in all attempts

	client *Client
	weight int64 // taken from the memory budget
}

// Release returns the memory of Body to Config.MemoryBudget. A second call does nothing.
func (a *Answer) Release() {
	if a.client != nil && a.weight > 0 {
		a.client.memory.Release(a.weight)
	}
	a.client, a.Body = nil, nil
}

// smallAnswer is the size up to which a body does not count in the memory budget, in bytes.
// Nearly all index files are smaller.
const smallAnswer = 1 << 20

// Ask returns the answer to a question.
//
// Errors: [*AskError]; [*StoppedError] if the breaker stopped the client; the cause of ctx.
func (c *Client) Ask(ctx context.Context, q Question) (*Answer, error) {
	u, err := url.Parse(q.URL)
	switch {
	case err != nil:
		err = errors.New("not a URL")
	case u.Scheme != "https" && u.Scheme != "http" || u.Host == "":
		err = errors.New("want an absolute http or https URL")
	case q.MaxSize <= 0:
		err = errors.New("Question.MaxSize is not set")
	}
	if err != nil {
		return nil, &AskError{URL: redact(q.URL), Err: err}
	}
	a := asking{fetch: fetch{client: c, url: u, req: Request{URL: q.URL, Guarded: q.Guarded}}, q: &q}
	a.header, a.fresh = a.with(c.headerFor(u, q.Again)), q.Again
	return a.run(ctx)
}

// An AskError says that a text could not be downloaded.
type AskError struct {
	URL      string // as asked, without password
	Attempts int
	Err      error // of the last attempt
}

func (e *AskError) Error() string {
	if e.Attempts > 1 {
		return fmt.Sprintf("fetching %s: giving up after %d attempts: %v", e.URL, e.Attempts, e.Err)
	}
	return fmt.Sprintf("fetching %s: %v", e.URL, e.Err)
}

func (e *AskError) Unwrap() error { return e.Err }

// asking is the state of one call of Ask.
type asking struct {
	fetch
	q    *Question
	read int64
}

// with returns the question's headers together with those of the client.
func (a *asking) with(own http.Header) http.Header {
	h := own.Clone()
	h.Set("Accept-Encoding", "gzip") // texts compress well, and no checksum covers their bytes
	maps.Copy(h, a.q.Header)
	return h
}

func (a *asking) run(ctx context.Context) (*Answer, error) {
	c := a.client
	for {
		slot, err := a.admit(ctx)
		if err != nil {
			return nil, fmt.Errorf("fetching %s: %w", a.url.Redacted(), err)
		}
		a.stats.Attempts++
		answer, fail := a.attempt(ctx)
		if fail == nil {
			c.limiter.Release(slot, adaptive.Completed)
			c.breaker.success()
			answer.Read = a.read
			return answer, nil
		}
		if fail.pause > 0 && c.pauses.extend(a.url.Host, fail.pause) {
			c.log.Warn("upstream asks for a pause", "host", a.url.Host, "pause", fail.pause, "cause", fail.err)
		}
		c.limiter.Release(slot, fail.verdict)
		if ctx.Err() != nil {
			return nil, fmt.Errorf("fetching %s: %w", a.url.Redacted(), context.Cause(ctx))
		}
		if !a.again(fail) {
			err := &AskError{URL: a.url.Redacted(), Attempts: a.stats.Attempts, Err: fail.err}
			c.count(fail, err)
			return nil, err
		}
		if a.fresh {
			a.header = a.with(c.headerFor(a.url, true))
		}
		c.metrics.retries.Inc()
		c.log.Debug("retrying", "url", a.url.Redacted(), "attempt", a.stats.Attempts, "cause", fail.err)
		if err := sleep(ctx, c.breaker, jitter(c.cfg.RetryBase, c.cfg.RetryMax, a.stats.Attempts)); err != nil {
			return nil, fmt.Errorf("waiting to fetch %s again after %v: %w", a.url.Redacted(), fail.err, err)
		}
	}
}

// attempt makes one request.
func (a *asking) attempt(ctx context.Context) (*Answer, *failure) {
	c, start := a.client, time.Now()
	c.metrics.inflight.Inc()
	defer c.metrics.inflight.Dec()
	attemptCtx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	w := watch(cancel, &c.cfg)
	answer, fail := a.exchange(attemptCtx, w)
	w.stop()
	read := w.read.Load()
	a.read += read
	switch {
	case fail == nil:
		c.metrics.attempt(true, answer.Status, read, time.Since(start))
	case ctx.Err() == nil:
		c.metrics.attempt(false, fail.status, read, time.Since(start))
	}
	return answer, fail
}

func (a *asking) exchange(ctx context.Context, w *watchdog) (*Answer, *failure) {
	c := a.client
	resp, err := c.roundTrip(a.request(ctx), a.q.Guarded, false)
	if err != nil {
		return nil, networkFailure(ctx, err)
	}
	defer func() { _ = resp.Body.Close() }()
	w.reading.Store(true)
	if resp.StatusCode == http.StatusSwitchingProtocols {
		return nil, statusFailure(resp, nil) // see Client.exchange
	}
	answer := &Answer{Status: resp.StatusCode, Header: resp.Header, client: c}
	switch fail := statusFailure(resp, nil); {
	case resp.StatusCode == http.StatusOK:
	case resp.StatusCode == http.StatusNotModified && a.conditional():
		return answer, nil
	case fail.gone:
		answer.Body, _ = io.ReadAll(io.LimitReader(resp.Body, evidenceSize))
		return answer, nil
	default:
		_, _ = io.CopyN(io.Discard, resp.Body, evidenceSize)
		return nil, fail
	}
	if err := a.read200(ctx, w, resp, answer); err != nil {
		answer.Release()
		return nil, bodyFailure(ctx, err)
	}
	if a.q.Check == nil {
		return answer, nil
	}
	if err := a.q.Check(answer); err != nil {
		answer.Release()
		return nil, &failure{err: err, kind: refused, status: http.StatusOK, transient: true, past: true}
	}
	return answer, nil
}

func (a *asking) conditional() bool {
	return a.q.Header.Get("If-None-Match") != "" || a.q.Header.Get("If-Modified-Since") != ""
}

// read200 reads and decodes the body of a good answer.
func (a *asking) read200(ctx context.Context, w *watchdog, resp *http.Response, answer *Answer) (err error) {
	var src io.Reader = &counted{ctx, resp.Body, a.client, w}
	switch encoding := resp.Header.Get("Content-Encoding"); encoding {
	case "", "identity":
	case "gzip", "x-gzip":
		if src, err = gzip.NewReader(io.LimitReader(src, a.q.MaxSize)); err != nil {
			return fmt.Errorf("decoding gzip: %w", err)
		}
	default:
		return fmt.Errorf("it has Content-Encoding %.40q, which was not asked for", encoding)
	}
	var body bytes.Buffer
	if n := resp.ContentLength; n > 0 && n <= smallAnswer {
		body.Grow(int(n) + bytes.MinRead)
	}
	if _, err := body.ReadFrom(io.LimitReader(src, smallAnswer)); err != nil {
		return err
	}
	if body.Len() == smallAnswer {
		if err := a.reserve(ctx, w, answer); err != nil {
			return err
		}
		if _, err := body.ReadFrom(io.LimitReader(src, a.q.MaxSize+1-smallAnswer)); err != nil {
			return err
		}
	}
	if answer.Body = body.Bytes(); int64(len(answer.Body)) > a.q.MaxSize {
		return &sizeError{a.q.MaxSize}
	}
	return nil
}

// reserve waits until there is memory for a large answer.
func (a *asking) reserve(ctx context.Context, w *watchdog, answer *Answer) error {
	weight := min(a.q.MaxSize, a.client.cfg.MemoryBudget)
	w.busy.Store(true) // our lack of memory is not a stall of upstream
	defer w.busy.Store(false)
	if err := a.client.memory.Acquire(ctx, weight); err != nil {
		return err
	}
	answer.weight = weight
	return nil
}

// counted is a body whose bytes are reported to the watchdog and the limiter.
type counted struct {
	ctx      context.Context // of the attempt
	src      io.Reader
	client   *Client
	watchdog *watchdog
}

func (r *counted) Read(p []byte) (int, error) {
	n, err := r.src.Read(p)
	r.watchdog.read.Add(int64(n))
	r.client.limiter.Received.Add(int64(n))
	if slow := r.client.cfg.Rates.take(r.ctx, r.watchdog, n); slow != nil {
		return n, slow
	}
	return n, err
}
