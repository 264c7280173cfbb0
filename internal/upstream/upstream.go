// Package upstream downloads crate files over HTTP and verifies them: if [Client.Fetch]
// succeeds, the bytes have the checksum that the index names. The package writes no files
// itself; a body too large for memory goes into a [Spill] that the caller provides.
//
// # One fetch
//
// A fetch waits for a slot of the adaptive limit (package adaptive) and makes an attempt.
// Then it returns a body or a typed error (errors.go), or releases its slot, waits
// (backoff.go) and tries again. An attempt is one GET with up to five redirects
// (redirect.go) and the body (body.go); a watchdog checks its progress (watchdog.go). The
// caller holds the slot until [Body.Release], so a slow disk slows downloads.
//
// # Trust
//
// It trusts only the checksum. Redirects lead only to known hosts, never from https to
// http, and never from a public host into a private network. Transfer encodings are
// checked, content encodings are not decoded, and every length from outside is bounded. A
// proxy from the environment ([Proxy]) is used; the checksum protects against it as well.
//
// # The breaker
//
// If upstream refuses everything, is down or has an invalid certificate, a run must not try
// two million items. A breaker (breaker.go) then stops the whole client, and every waiting
// Fetch returns a [*StoppedError] that says why and what to do.
package upstream

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/semaphore"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/upstream/adaptive"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/upstream/http1"
)

// Request describes one crate file.
type Request struct {
	ID       crate.ID
	URL      string         // absolute, http or https, "+" written as "%2B"
	Checksum crate.Checksum // must not be zero: what cannot be verified is not downloaded

	// Spill opens the temporary file for a body that is not kept in memory. It must not be
	// nil. Fetch calls it at most once. The caller owns the file, and removes it whatever
	// Fetch returns.
	Spill func() (Spill, error)

	// Guarded says that the operator did not name the URL's host: it must have a public
	// address, like the hosts of redirects.
	Guarded bool

	// WasGone says that upstream permanently refused this file in an earlier run. Another
	// refusal then does not count for the breaker, so that a run that only retries lost
	// files does not look like a ban.
	WasGone bool

	// Again says that this file failed earlier in this run. Caches are asked to revalidate,
	// and another failure does not count for the breaker, because retries of failed files
	// often fail in a row.
	Again bool
}

// Spill is a temporary file of the caller. Reset empties it for another attempt.
type Spill interface {
	io.Writer
	Reset() error
}

// Stats is the cost of a Fetch, successful or not.
type Stats struct {
	Attempts int   // requests made; 0 if there was none
	Bytes    int64 // body bytes received in all attempts
}

// Retries returns the number of attempts after the first.
func (s Stats) Retries() int { return max(0, s.Attempts-1) }

// Client downloads crate files. Its methods may be called concurrently.
type Client struct {
	cfg       Config
	transport *http.Transport
	fresh     *http.Transport  // the same, with a connection for each request
	small     *http1.Transport // for crate files; nil: Config selects net/http for everything
	allowed   hostSet          // where redirects may lead: named and the registry's hosts
	named     hostSet          // Config.AllowHosts
	header    http.Header      // of every request; shared, never modified
	noCache   http.Header      // the same, asking caches to revalidate
	limiter   *adaptive.Limiter
	memory    *semaphore.Weighted
	pauses    pauses
	breaker   *breaker
	known     atomic.Pointer[Request] // downloaded before; only with Config.AllowMissing
	metrics   *Metrics
	log       *slog.Logger
}

// New returns a client, or an error that names an invalid field of cfg. It opens no connection.
func New(cfg Config) (*Client, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	named, err := parseHosts(cfg.AllowHosts)
	if err != nil {
		return nil, err
	}
	allowed, err := parseHosts(append(registryHosts[:len(registryHosts):len(registryHosts)], cfg.AllowHosts...))
	if err != nil {
		return nil, err
	}
	proxy, err := Proxy()
	if err != nil {
		return nil, err
	}
	c := &Client{
		cfg:     cfg,
		allowed: allowed,
		named:   named,
		limiter: adaptive.New(cfg.Concurrency),
		memory:  semaphore.NewWeighted(cfg.MemoryBudget),
		breaker: newBreaker(cfg.RefusalLimit, cfg.FailureLimit),
		log:     cfg.Log,
	}
	// The checksum covers the stored bytes, so no encoding is requested.
	c.header = http.Header{"User-Agent": {cfg.UserAgent}, "Accept-Encoding": {"identity"}}
	if cfg.Token != "" {
		c.header.Set("Authorization", authorization(cfg.Token))
	}
	c.noCache = c.header.Clone()
	c.noCache.Set("Cache-Control", "no-cache")
	c.noCache.Set("Pragma", "no-cache")
	c.transport = newTransport(cfg, proxy)
	c.fresh = c.transport.Clone()
	c.fresh.DisableKeepAlives = true
	if cfg.HTTP == "auto" && cfg.MaxConnsPerHost >= cfg.Concurrency {
		c.small = http1.New(c.transport)
	}
	if c.metrics = cfg.Metrics; c.metrics == nil {
		c.metrics = NewMetrics()
	}
	c.metrics.watch(c.limiter)
	return c, nil
}

// Close closes idle connections. Call it after the last Fetch has returned and the last
// Body is released.
func (c *Client) Close() { c.Reconnect() }

// Reconnect makes the next Fetch use a new connection, and so perhaps another machine of
// upstream. Call it only while no Fetch is running.
func (c *Client) Reconnect() {
	c.transport.CloseIdleConnections()
	c.small.CloseIdleConnections()
}

// Metrics returns the collector of the client's metrics.
func (c *Client) Metrics() prometheus.Collector { return c.metrics }

// Stopped returns the [*StoppedError] with which the breaker stopped the
// client, or nil.
func (c *Client) Stopped() error { return c.breaker.Err() }

// Status is a snapshot for people who watch a run.
type Status struct {
	Limit   int           // requests at a time that the limiter allows now
	Ceiling int           // maximum that it may ever allow
	Active  int           // slots in use: current requests and bodies not yet released
	Waiting int           // fetches that wait for a slot
	Pause   time.Duration // longest remaining time that a host asked us to wait (Retry-After)
}

// Status returns a snapshot.
func (c *Client) Status() Status {
	l := c.limiter.Status()
	return Status{Limit: l.Limit, Ceiling: l.Ceiling, Active: l.Active, Waiting: l.Waiting, Pause: c.pauses.longest(time.Now())}
}

// Fetch downloads the crate file of req and verifies its checksum. The caller must release
// the body.
//
// Errors: [*GoneError] if upstream refuses this file; [*MismatchError], which wraps a
// [*crate.ChecksumError], if it keeps sending other bytes; [*StoppedError] if the breaker
// stopped the client; the cause of ctx; [*FetchError] for everything else, including errors
// of the Spill.
func (c *Client) Fetch(ctx context.Context, req Request) (*Body, Stats, error) {
	f := fetch{client: c, req: req}
	if err := f.prepare(); err != nil {
		return nil, f.stats, &FetchError{ID: req.ID, URL: redact(req.URL), Err: err}
	}
	body, err := f.run(ctx)
	return body, f.stats, err
}
