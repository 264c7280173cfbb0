// Package origins downloads crate files from several upstreams in order of preference.
//
// If the first one fails (it does not have the file, sends other bytes, or cannot be
// reached), the next one is tried. The checksum decides what is accepted, so several
// upstreams need no more trust than one.
//
// # Health
//
// An upstream that failed [sickAfter] times in a row, or whose breaker stopped it, is sick:
// it is tried after the healthy ones. After a pause, which doubles from [firstPause] to
// [longestPause], it gets one request in its old place; if that succeeds, it is healthy. A
// missing file is not a failure.
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

// Client is an upstream.Client, or another client that verifies what it returns.
type Client interface {
	Fetch(ctx context.Context, req upstream.Request) (*upstream.Body, upstream.Stats, error)
}

// An Origin is one upstream.
type Origin struct {
	Name string // its address, for people; without a password
	// URLs is where it has crate files; zero: at the URL of each request.
	URLs    crate.URLTemplate
	Guarded bool // the operator did not name its host; see upstream.Request
	Client  Client
	// Renew makes a new client to replace one that its breaker stopped. If nil, it stays
	// stopped.
	Renew func() (Client, error)
}

// A Set is origins in order of preference. Its methods may be called concurrently.
type Set struct {
	origins []*origin
	metrics *Metrics
	log     *slog.Logger
}

// New returns a set of at least one origin.
func New(list []Origin, log *slog.Logger) *Set { return NewCounted(list, NewMetrics(), log) }

// NewCounted returns a set of at least one origin, with metrics that earlier sets may have
// used.
func NewCounted(list []Origin, m *Metrics, log *slog.Logger) *Set {
	s := &Set{metrics: m, log: log}
	for i, o := range list {
		s.origins = append(s.origins, &origin{Origin: o, label: label(i, o.Name), client: o.Client})
		s.metrics.healthy.WithLabelValues(s.origins[i].label).Set(1)
	}
	return s
}

// label returns the name of an origin in metrics and logs: its position and its host.
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

// Reconnect does what upstream.Client's Reconnect does.
func (s *Set) Reconnect() {
	for _, o := range s.origins {
		if c, ok := o.now().(interface{ Reconnect() }); ok {
			c.Reconnect()
		}
	}
}

// Fetch returns a crate file from the first origin that has it; upstream.Body.From is the
// URL.
//
// Errors: those of upstream.Client. It returns [*upstream.GoneError] if all origins do, and
// [*upstream.StoppedError] if all are stopped; otherwise the error of an origin that
// failed.
func (s *Set) Fetch(ctx context.Context, req upstream.Request) (body *upstream.Body, stats upstream.Stats, err error) {
	shareSpill(&req)
	var fault error // the most significant so far
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

// shareSpill makes all origins write to the same temporary file.
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

// worse returns which of two errors says more about whether the file exists. That one
// origin lacks it says the least, and that one is stopped does not concern the others.
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

// order returns the origins, the sick ones last.
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

// judge records whether an origin succeeded.
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
		s.log.Warn("an upstream fails: it is asked last", "upstream", o.label, "crate", id.String(), "cause", err)
	}
	if outcome == "failed" {
		s.log.Debug("an upstream failed", "upstream", o.label, "crate", id.String(), "cause", err)
	}
}

// origin is an Origin with its health.
type origin struct {
	Origin
	label string

	mu       sync.Mutex
	client   Client
	failures int           // in a row
	sick     bool          // tried last
	until    time.Time     // end of the pause
	pause    time.Duration // the last one
	stopped  bool          // the client cannot be used any more
}

func (o *origin) now() Client {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.client
}

// ready reports whether to try the origin in its turn: a sick one only once per pause.
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

// rest begins the next pause. The caller holds o.mu.
func (o *origin) rest(now time.Time) {
	o.pause = min(max(o.pause*2, firstPause), longestPause)
	o.until = now.Add(o.pause)
}

// note records an outcome, and returns whether the origin was healthy before and is now.
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

// Metrics are the metrics of sets, and outlive them.
type Metrics struct {
	fetches *prometheus.CounterVec
	healthy *prometheus.GaugeVec
}

// NewMetrics makes metrics for sets to be made.
func NewMetrics() *Metrics {
	return &Metrics{
		fetches: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "crates_origin_fetches_total",
			Help: "Requests for crate files to each upstream, by outcome (ok, gone, failed).",
		}, []string{"upstream", "outcome"}),
		healthy: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "crates_origin_healthy",
			Help: "1 if an upstream is asked in its order; 0 if it is asked last because it fails.",
		}, []string{"upstream"}),
	}
}

// Describe implements prometheus.Collector.
func (m *Metrics) Describe(ch chan<- *prometheus.Desc) {
	m.fetches.Describe(ch)
	m.healthy.Describe(ch)
}

// Collect implements prometheus.Collector.
func (m *Metrics) Collect(ch chan<- prometheus.Metric) {
	m.fetches.Collect(ch)
	m.healthy.Collect(ch)
}
