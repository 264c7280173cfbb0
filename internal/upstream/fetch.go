package upstream

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/upstream/adaptive"
)

// fetch is the state of one call of Fetch. It belongs to that goroutine.
type fetch struct {
	client *Client
	req    Request
	url    *url.URL
	header http.Header // of the next attempt
	spill  Spill       // opened by the first attempt that needs it
	stats  Stats
	fresh  bool // the next attempt uses a new connection
}

func (f *fetch) prepare() error {
	u, err := url.Parse(f.req.URL)
	if err != nil {
		return errors.New("not a URL") // url.Parse quotes its input, including credentials
	}
	if u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
		return errors.New("want an absolute http or https URL")
	}
	if f.req.Checksum == (crate.Checksum{}) {
		return errors.New("no checksum is known, so nothing could prove the file")
	}
	if f.req.Spill == nil {
		return errors.New("Request.Spill is nil, so a large body would have no place")
	}
	f.url, f.header = u, f.client.headerFor(u, f.req.Again)
	return nil
}

func (f *fetch) run(ctx context.Context) (*Body, error) {
	c := f.client
	for {
		slot, err := f.admit(ctx)
		if err != nil {
			return nil, fmt.Errorf("fetching %s from %s: %w", f.req.ID, f.url.Redacted(), err)
		}
		f.stats.Attempts++
		body, fail := c.attempt(ctx, f, slot)
		if fail == nil {
			c.breaker.success()
			c.remember(f.req, body)
			return body, nil
		}
		// Set the pause first: the next holder of the slot must see it.
		if fail.pause > 0 && c.pauses.extend(f.url.Host, fail.pause) {
			c.log.Warn("upstream asks for a pause", "host", f.url.Host, "pause", fail.pause, "cause", fail.err)
		}
		c.limiter.Release(slot, fail.verdict)
		if ctx.Err() != nil {
			return nil, fmt.Errorf("fetching %s from %s: %w", f.req.ID, f.url.Redacted(), context.Cause(ctx))
		}
		if !f.again(fail) {
			return nil, f.giveUp(ctx, fail)
		}
		if err := f.backoff(ctx, fail); err != nil {
			return nil, fmt.Errorf("waiting to retry %s from %s after %v: %w", f.req.ID, f.url.Redacted(), fail.err, err)
		}
	}
}

// admit waits until requests to the host are allowed and a slot is free.
func (f *fetch) admit(ctx context.Context) (adaptive.Slot, error) {
	c := f.client
	if err := c.cfg.Rates.request(ctx, f.url.Host); err != nil {
		return adaptive.Slot{}, err
	}
	for {
		if err := c.pauses.wait(ctx, c.breaker, f.url.Host); err != nil {
			return adaptive.Slot{}, err
		}
		s, err := c.limiter.Acquire(ctx, c.breaker)
		if err != nil {
			return adaptive.Slot{}, err
		}
		// The host may have asked for a pause while we waited in the queue.
		if !c.pauses.active(f.url.Host) {
			return s, nil
		}
		c.limiter.Release(s, adaptive.Neutral)
	}
}

// again reports whether to make another attempt.
func (f *fetch) again(fail *failure) bool {
	if f.stats.Attempts >= f.client.cfg.Attempts || !fail.transient {
		return false
	}
	if fail.past {
		// A cache in between, or the machine at the other end of the connection, may have a
		// bad copy: bypass both.
		f.header, f.fresh = f.client.headerFor(f.url, true), true
	}
	return true
}

func (f *fetch) backoff(ctx context.Context, fail *failure) error {
	c := f.client
	c.metrics.retries.Inc()
	c.log.Debug("retrying", "crate", f.req.ID.String(), "attempt", f.stats.Attempts, "cause", fail.err)
	return sleep(ctx, c.breaker, jitter(c.cfg.RetryBase, c.cfg.RetryMax, f.stats.Attempts))
}

// giveUp reports the failure to the breaker and returns the error for the caller.
func (f *fetch) giveUp(ctx context.Context, fail *failure) error {
	err := f.finalError(fail)
	switch {
	case f.req.Again || fail.kind == refused && f.req.WasGone: // no news
	case fail.gone && f.client.cfg.AllowMissing:
		f.client.missing(ctx, fail, err)
	default:
		f.client.count(fail, err)
	}
	return err
}

// count reports to the breaker that an item failed permanently with err.
func (c *Client) count(fail *failure, err error) {
	if why := c.breaker.failure(fail, err); why != nil {
		c.stop(why)
	}
}

func (c *Client) stop(why *StoppedError) {
	if c.breaker.stop(why) {
		c.log.Error("stopping", "cause", why)
	}
}

func (f *fetch) finalError(fail *failure) error {
	switch {
	case fail.mismatch != nil:
		return &MismatchError{Err: fail.mismatch, Attempts: f.stats.Attempts, Evidence: *fail.evidence}
	case fail.gone:
		return &GoneError{ID: f.req.ID, Evidence: *fail.evidence}
	default:
		return &FetchError{ID: f.req.ID, URL: f.url.Redacted(), Attempts: f.stats.Attempts, Answered: fail.answered || fail.status != 0, Err: fail.err}
	}
}

// redact hides the password in a URL, which may be malformed.
func redact(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return "(unreadable URL)"
	}
	return u.Redacted()
}
