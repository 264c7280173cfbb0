package upstream

import (
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/upstream/adaptive"
)

// Metrics are the metrics of clients, and outlive them. Dashboards have used the names
// since v1.1.0.
type Metrics struct {
	requests *prometheus.CounterVec
	bytes    prometheus.Counter
	duration prometheus.Histogram
	retries  prometheus.Counter
	inflight prometheus.Gauge
	limit    prometheus.GaugeFunc
	steps    *prometheus.CounterVec

	ok      prometheus.Counter // requests{ok,200}, resolved once because it is on the hot path
	limiter atomic.Pointer[adaptive.Limiter]
}

// NewMetrics makes metrics for clients to be made.
func NewMetrics() *Metrics {
	m := &Metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "crates_download_requests_total",
			Help: "Download attempts by outcome (ok, error) and HTTP status (net: no complete answer).",
		}, []string{"status", "code"}),
		bytes: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "crates_download_bytes_total",
			Help: "Bytes of crate files received, including failed attempts.",
		}),
		duration: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "crates_download_duration_seconds",
			Help:    "Time of a download attempt from request to last byte.",
			Buckets: durationBuckets,
		}),
		retries: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "crates_download_retries_total",
			Help: "Download attempts that followed a failed one.",
		}),
		inflight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "crates_download_inflight",
			Help: "Download attempts in progress.",
		}),
		steps: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "crates_download_concurrency_changes_total",
			Help: "Changes of the adaptive limit, by reason: grew (more simultaneous downloads were faster), no_gain (reverted: they were not), overload (the upstream reported overload).",
		}, []string{"reason"}),
	}
	m.limit = prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "crates_download_concurrency_limit",
		Help: "Simultaneous downloads that the adaptive limit currently allows.",
	}, func() float64 {
		if l := m.limiter.Load(); l != nil {
			return float64(l.Status().Limit)
		}
		return 0
	})
	m.ok = m.requests.WithLabelValues("ok", "200")
	m.requests.WithLabelValues("error", "net") // so that its first increase is visible
	for _, reason := range adaptive.Reasons {
		m.steps.WithLabelValues(string(reason))
	}
	return m
}

// durationBuckets has the buckets of v1.1.0, for queries that name them, and finer and
// coarser ones, up to the -timeout of 300 s.
var durationBuckets = slices.Concat([]float64{0.001, 0.0025}, prometheus.DefBuckets, []float64{30, 60, 120, 300})

// watch shows the limit of a client, the one made last.
func (m *Metrics) watch(l *adaptive.Limiter) {
	l.Changed = func(r adaptive.Reason) { m.steps.WithLabelValues(string(r)).Inc() }
	m.limiter.Store(l)
}

// attempt counts one attempt. code is the HTTP status, or 0 if no answer came.
func (m *Metrics) attempt(ok bool, code int, bytes int64, took time.Duration) {
	m.bytes.Add(float64(bytes))
	m.duration.Observe(took.Seconds())
	switch {
	case ok:
		m.ok.Inc()
	case code < 100 || code > 599: // servers may invent numbers; labels must not multiply
		m.requests.WithLabelValues("error", "net").Inc()
	default:
		m.requests.WithLabelValues("error", strconv.Itoa(code)).Inc()
	}
}

func (m *Metrics) collectors() []prometheus.Collector {
	return []prometheus.Collector{m.requests, m.bytes, m.duration, m.retries, m.inflight, m.limit, m.steps}
}

// Describe implements prometheus.Collector.
func (m *Metrics) Describe(ch chan<- *prometheus.Desc) {
	for _, c := range m.collectors() {
		c.Describe(ch)
	}
}

// Collect implements prometheus.Collector.
func (m *Metrics) Collect(ch chan<- prometheus.Metric) {
	for _, c := range m.collectors() {
		c.Collect(ch)
	}
}
