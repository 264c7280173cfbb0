// Package origins fetches crate files from several upstreams in an order of preference.
//
// What the first cannot give (it does not have the file, sends other bytes, or cannot be
// reached) is asked of the next. The checksum decides what is taken, so several upstreams
// need no more trust than one.
//
// # Health
//
// An upstream that failed [sickAfter] times in a row, or whose breaker stopped it, is
// sick: it is asked after the healthy ones. After a pause, which doubles from
// [firstPause] to [longestPause], one request is given to it in its old place; if that
// succeeds, it is healthy. That it does not have a file is no failure.
package origins

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/upstream"
)

const (
	sickAfter    = 3
	firstPause   = 30 * time.Second
	longestPause = 10 * time.Minute
)

// Client is an upstream.Client, or anything else that proves what it gives.
type Client interface {
	Fetch(ctx context.Context, req upstream.Request) (*upstream.Body, upstream.Stats, error)
}

// An Origin is one upstream.
type Origin struct {
	Name string // its address, for people; without a password
	// URLs are where it has crate files; zero: at the URL that a request names.
	URLs    crate.URLTemplate
	Guarded bool // the operator did not name its host; see upstream.Request
	Client  Client
	// Renew makes another client in place of one that its breaker stopped. If nil, it
	// stays stopped.
	Renew func() (Client, error)
}

// A Set is origins in order of preference. Its methods may be called concurrently.
type Set struct {
	origins []*origin
	metrics *Metrics
	log     *slog.Logger
}

// New returns a set of at least one.
func New(list []Origin, log *slog.Logger) *Set { return NewCounted(list, NewMetrics(), log) }

// NewCounted returns a set of at least one, whose numbers others before it may have begun.
func NewCounted(list []Origin, m *Metrics, log *slog.Logger) *Set {
	s := &Set{metrics: m, log: log}
	for i, o := range list {
		s.origins = append(s.origins, &origin{Origin: o, label: label(i, o.Name), client: o.Client})
		s.metrics.healthy.WithLabelValues(s.origins[i].label).Set(1)
	}
	return s
}

// label names an origin in metrics and logs: its place and its host.
func label(i int, name string) string {
	u, err := url.Parse(name[:strings.IndexAny(name+"{", "{")])
	if err != nil || u.Host == "" {
		return fmt.Sprint(i + 1)
	}
	return fmt.Sprintf("%d %s", i+1, u.Host)
}

// Metrics returns the collector of the set's metrics.
func (s *Set) Metrics() prometheus.Collector { return s.metrics }

// Close closes idle connections.
func (s *Set) Close() {
	for _, o := range s.origins {
		if c, ok := o.now().(interface{ Close() }); ok {
			c.Close()
		}
	}
}

// Reconnect is as that of upstream.Client.
func (s *Set) Reconnect() {
	for _, o := range s.origins {
		if c, ok := o.now().(interface{ Reconnect() }); ok {
			c.Reconnect()
		}
	}
}

// Fetch returns a crate file from the first origin that has it; upstream.Body.From says
// which URL that was.
//
// Errors: as those of upstream.Client. [*upstream.GoneError] if all origins say so, and
// [*upstream.StoppedError] if all are stopped; else that of an origin that failed.
func (s *Set) Fetch(ctx context.Context, req upstream.Request) (body *upstream.Body, stats upstream.Stats, err error) {
	shareSpill(&req)
	var fault error // the worst so far
	for _, o := range s.order() {
		to := req
		if !o.URLs.IsZero() {
			to.URL, to.Guarded = o.URLs.URL(req.ID, req.Checksum), o.Guarded
		}
		body, cost, err := o.now().Fetch(ctx, to)
		stats.Attempts += cost.Attempts
		stats.Bytes += cost.Bytes
		if ctx.Err() != nil && err != nil {
			return nil, stats, err
		}
		s.judge(o, req.ID, err)
		if err == nil {
			body.From = to.URL
			return body, stats, nil
		}
		fault = worse(fault, err, req.ID, to.URL)
	}
	return nil, stats, fault
}

// shareSpill lets all origins write to one temporary file.
func shareSpill(req *upstream.Request) {
	open, shared := req.Spill, upstream.Spill(nil)
	req.Spill = func() (upstream.Spill, error) {
		if shared != nil {
			return shared, shared.Reset()
		}
		var err error
		shared, err = open()
		return shared, err
	}
}

// worse returns which of two errors says more about whether there is such a file: that
// one origin does not have it says the least, and that one is stopped is not for others.
func worse(a, b error, id crate.ID, url string) error {
	stopped := func(err error) bool { return errors.As(err, new(*upstream.StoppedError)) }
	gone := func(err error) bool { return errors.As(err, new(*upstream.GoneError)) }
	switch {
	case a == nil:
		return b
	case stopped(a) && stopped(b):
		return a
	case stopped(a) && gone(b), gone(a) && stopped(b):
		cause := a
		if stopped(b) {
			cause = b
		}
		return &upstream.FetchError{ID: id, URL: withoutUser(url), Attempts: 1, Err: fmt.Errorf("%w, and the others do not have it", errors.New(cause.Error()))}
	case gone(a) || stopped(a):
		return b
	}
	return a
}

func withoutUser(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "(unreadable URL)"
	}
	u.User = nil
	return u.String()
}

// order is the origins, those that are sick last.
func (s *Set) order() []*origin {
	order := make([]*origin, 0, len(s.origins))
	var sick []*origin
	for _, o := range s.origins {
		if o.ready(time.Now(), s.log) {
			order = append(order, o)
		} else {
			sick = append(sick, o)
		}
	}
	return append(order, sick...)
}

// judge takes note of how an origin did.
func (s *Set) judge(o *origin, id crate.ID, err error) {
	outcome := "ok"
	switch {
	case errors.As(err, new(*upstream.GoneError)):
		outcome = "gone"
	case err != nil:
		outcome = "failed"
	}
	s.metrics.fetches.WithLabelValues(o.label, outcome).Inc()
	was, is := o.note(outcome == "failed", errors.As(err, new(*upstream.StoppedError)), time.Now())
	switch {
	case was == is:
	case is:
		s.metrics.healthy.WithLabelValues(o.label).Set(1)
		s.log.Info("an upstream is well again", "upstream", o.label)
	default:
		s.metrics.healthy.WithLabelValues(o.label).Set(0)
		s.log.Warn("an upstream is asked last from now on, as it fails", "upstream", o.label, "crate", id.String(), "cause", err)
	}
	if outcome == "failed" {
		s.log.Debug("an upstream failed", "upstream", o.label, "crate", id.String(), "cause", err)
	}
}

// origin is one with its health.
type origin struct {
	Origin
	label string

	mu       sync.Mutex
	client   Client
	failures int           // in a row
	sick     bool          // asked last
	until    time.Time     // of the pause
	pause    time.Duration // the last
	stopped  bool          // the client is of no use any more
}

func (o *origin) now() Client {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.client
}

// ready reports whether to ask the origin in its turn: a sick one only once a pause.
func (o *origin) ready(now time.Time, log *slog.Logger) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.sick {
		return true
	}
	if now.Before(o.until) {
		return false
	}
	o.rest(now)
	if o.stopped && o.Renew != nil {
		client, err := o.Renew()
		if err != nil {
			log.Warn("an upstream stays stopped", "upstream", o.label, "err", err)
			return false
		}
		o.client, o.stopped = client, false
	}
	return true
}

// rest begins the next pause. o.mu is held.
func (o *origin) rest(now time.Time) {
	o.pause = min(max(o.pause*2, firstPause), longestPause)
	o.until = now.Add(o.pause)
}

// note takes note of an answer, and returns whether the origin was healthy, and is.
func (o *origin) note(failed, stopped bool, now time.Time) (was, is bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	was = !o.sick
	switch {
	case !failed:
		o.failures, o.pause, o.sick = 0, 0, false
	case o.failures+1 >= sickAfter || stopped:
		if o.stopped = o.stopped || stopped; !o.sick {
			o.sick = true
			o.rest(now)
		}
		fallthrough
	default:
		o.failures++
	}
	return was, !o.sick
}

// Metrics are the numbers of sets, and outlive them.
type Metrics struct {
	fetches *prometheus.CounterVec
	healthy *prometheus.GaugeVec
}

// NewMetrics makes the numbers of sets that are still to be made.
func NewMetrics() *Metrics {
	return &Metrics{
		fetches: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "crates_origin_fetches_total",
			Help: "Crate files asked of each upstream, by outcome (ok, gone, failed).",
		}, []string{"upstream", "outcome"}),
		healthy: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "crates_origin_healthy",
			Help: "Whether an upstream is asked in its place (1) or last, because it fails (0).",
		}, []string{"upstream"}),
	}
}

// Describe and Collect make Metrics one prometheus.Collector.
func (m *Metrics) Describe(ch chan<- *prometheus.Desc) {
	m.fetches.Describe(ch)
	m.healthy.Describe(ch)
}

// Collect is described with Describe.
func (m *Metrics) Collect(ch chan<- prometheus.Metric) {
	m.fetches.Collect(ch)
	m.healthy.Collect(ch)
}
