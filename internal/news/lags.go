package news

import (
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// buckets are in seconds, up to a day.
var buckets = []float64{1, 2, 5, 10, 15, 30, 45, 60, 90, 120, 180, 300, 600, 1200, 3600, 7200, 21600, 43200, 86400}

// Bounds within which times from an index are trusted.
const (
	maxAge  = 7 * 24 * time.Hour // more is not a lag of ours
	maxSkew = 5 * time.Minute    // between our clock and that of the registry
)

// remembered is the number of lags for the median.
const remembered = 512

// Lags are the delays of versions since their publication. Its methods may be called
// concurrently.
type Lags struct {
	histogram  prometheus.Histogram
	unbelieved *prometheus.CounterVec

	mu   sync.Mutex // guards what follows
	last []time.Duration
	next int // index into last, once that is full
}

// Recorded returns the lags of a sync.
func Recorded() *Lags {
	return NewLags("recorded", "Time from the publication of a version, according to the index, until it is verified, durably stored and recorded. Only for versions that appeared in the index while this process followed it.")
}

// Served returns the lags of a server.
func Served() *Lags {
	return NewLags("served", "Time from the publication of a version, according to the index, until cargo can see it. Only for versions that appeared in the index while this server ran.")
}

// NewLags returns lags with metrics named after the event that ends the delay, such as
// "recorded".
func NewLags(what, help string) *Lags {
	name := "clonecratesio_published_to_" + what
	return &Lags{
		histogram: prometheus.NewHistogram(prometheus.HistogramOpts{Name: name + "_seconds", Help: help, Buckets: buckets}),
		unbelieved: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: name + "_unbelieved_total", Help: "New versions with an implausible publication time: more than five minutes in the future, or more than a week ago.",
		}, []string{"why"}),
	}
}

// Observe records the delay of a version that was published at one time and handled at
// another.
func (l *Lags) Observe(published, at time.Time) {
	lag := at.Sub(published)
	switch {
	case published.IsZero() || lag > maxAge:
		l.unbelieved.WithLabelValues("past").Inc()
		return
	case lag < -maxSkew:
		l.unbelieved.WithLabelValues("future").Inc()
		return
	}
	lag = max(lag, 0)
	l.histogram.Observe(lag.Seconds())
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.last) < remembered {
		l.last = append(l.last, lag)
		return
	}
	l.last[l.next] = lag
	l.next = (l.next + 1) % remembered
}

// A Summary summarizes the last versions, at most 512.
type Summary struct {
	Versions    int
	Median, P95 time.Duration
}

// Summary returns the summary of the last versions, or zero if there were none.
func (l *Lags) Summary() Summary {
	l.mu.Lock()
	sorted := slices.Clone(l.last)
	l.mu.Unlock()
	n := len(sorted)
	if n == 0 {
		return Summary{}
	}
	slices.Sort(sorted)
	return Summary{n, sorted[(n-1)/2], sorted[(n*95+99)/100-1]}
}

// Describe implements prometheus.Collector.
func (l *Lags) Describe(ch chan<- *prometheus.Desc) {
	l.histogram.Describe(ch)
	l.unbelieved.Describe(ch)
}

// Collect implements prometheus.Collector.
func (l *Lags) Collect(ch chan<- prometheus.Metric) {
	l.histogram.Collect(ch)
	l.unbelieved.Collect(ch)
}
