// Package upstream downloads crate files over HTTP and verifies them: what [Client.Fetch]
// returns hashes to the checksum that the index names, and nothing else is ever returned
// as a success. It writes no files itself; a body too large for memory goes into a
// [Spill] that the caller provides.
//
// # One fetch
//
// A fetch waits for a slot of the adaptive limit (package adaptive), makes an
// attempt, and either returns a body, returns an error that code can decide
// on (errors.go), or gives its slot back, waits (backoff.go) and tries again.
// An attempt is one GET, up to five redirects (redirect.go) and the body
// (body.go), under a watchdog on progress (watchdog.go). A slot belongs to
// the caller until [Body.Release], so a slow disk slows the fetching.
//
// # Whom it believes
//
// Only the checksum. Redirects lead only to known hosts, never from https to http, and
// never from a public host into a private network. Transfer encodings are checked,
// content encodings are not undone, and every length that comes from outside is bounded.
// A proxy named in the environment ([Proxy]) is used; the checksum guards against that
// one too.
//
// # When it stops
//
// A run against an upstream that refuses everybody, or is gone, or shows a
// wrong certificate, must not grind through two million items. A breaker
// (breaker.go) then stops the whole client, and every waiting Fetch returns a
// [*StoppedError] that says why and what to do.
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

// Request names one crate file.
type Request struct {
	ID       crate.ID
	URL      string         // absolute, http or https, "+" written as "%2B"
	Checksum crate.Checksum // must not be zero: what cannot be proved is not fetched

	// Spill opens the temporary file for a body that is not kept in memory. It
	// must not be nil, and is called at most once a Fetch. The file stays the
	// caller's, who removes it whatever Fetch returns.
	Spill func() (Spill, error)

	// Guarded says that the operator did not name the URL's host: it must have a
	// public address then, as those have to which redirects lead.
	Guarded bool

	// WasGone says that an earlier run found this file refused permanently. Another refusal
	// is no news then and does not count towards the breaker, so that a run which only
	// probes the lost ones is not taken for a ban.
	WasGone bool

	// Again says that this file failed earlier in this run. Caches are asked to step aside,
	// and another failure does not count towards the breaker: retrying only what has failed
	// meets failures in a row.
	Again bool
}

// Spill is a temporary file of the caller. Reset empties it for another
// attempt.
type Spill interface {
	io.Writer
	Reset() error
}

// Stats tells what a Fetch has cost, also when it failed.
type Stats struct {
	Attempts int   // requests made; 0 if it never got as far
	Bytes    int64 // body bytes received in all attempts
}

// Retries is the number of attempts after the first.
func (s Stats) Retries() int { return max(0, s.Attempts-1) }

// Client fetches crate files. Its methods may be called concurrently.
type Client struct {
	cfg       Config
	transport *http.Transport
	fresh     *http.Transport  // the same, with a connection for each request
	small     *http1.Transport // for crate files; nil: Config wants net/http for all
	allowed   hostSet          // where redirects may lead: those below, and the registry's
	named     hostSet          // Config.AllowHosts
	header    http.Header      // of every request; shared, never modified
	noCache   http.Header      // the same, asking caches to step aside
	limiter   *adaptive.Limiter
	memory    *semaphore.Weighted
	pauses    pauses
	breaker   *breaker
	known     atomic.Pointer[Request] // came once; with Config.AllowMissing alone
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
	// The checksum is that of the bytes as stored, so no encoding is asked for.
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

// Close closes idle connections. Call it after the last Fetch has returned and
// the last Body was released.
func (c *Client) Close() { c.Reconnect() }

// Reconnect makes the next Fetch use a new connection, and so perhaps another
// machine of upstream. Call it while no Fetch is under way.
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
	Limit   int           // simultaneous requests that the limiter allows now
	Ceiling int           // the most that it may ever allow
	Active  int           // slots in use: requests under way and bodies not yet released
	Waiting int           // fetches that wait for a slot
	Pause   time.Duration // longest time that a host still asked us to wait (Retry-After)
}

// Status returns a snapshot.
func (c *Client) Status() Status {
	l := c.limiter.Status()
	return Status{Limit: l.Limit, Ceiling: l.Ceiling, Active: l.Active, Waiting: l.Waiting, Pause: c.pauses.longest(time.Now())}
}

// Fetch returns the crate file named by req, proved by its checksum. The body
// must be released.
//
// Errors: [*GoneError] where upstream refuses this one file;
// [*MismatchError], which wraps a [*crate.ChecksumError], where it keeps
// sending other bytes; [*StoppedError] where the breaker stopped the client;
// the context's cause; [*FetchError] for everything else, an error of the
// Spill included.
func (c *Client) Fetch(ctx context.Context, req Request) (*Body, Stats, error) {
	f := fetch{client: c, req: req}
	if err := f.prepare(); err != nil {
		return nil, f.stats, &FetchError{ID: req.ID, URL: redact(req.URL), Err: err}
	}
	body, err := f.run(ctx)
	return body, f.stats, err
}
