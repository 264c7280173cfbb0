package upstream

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/upstream/adaptive"
)

// metrics are the client's numbers. The names are a contract with dashboards
// that exist since v1.1.0.
type metrics struct {
	requests *prometheus.CounterVec
	bytes    prometheus.Counter
	duration prometheus.Histogram
	retries  prometheus.Counter
	inflight prometheus.Gauge
	limit    prometheus.GaugeFunc

	ok prometheus.Counter // requests{ok,200}, resolved once: it is the hot one
}

func newMetrics(l *adaptive.Limiter) *metrics {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "crates_download_requests_total",
			Help: "Download attempts by outcome (ok, error) and HTTP status (net: no complete answer).",
		}, []string{"status", "code"}),
		bytes: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "crates_download_bytes_total",
			Help: "Bytes of crate files received, failed attempts included.",
		}),
		duration: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "crates_download_duration_seconds",
			Help:    "Time of a download attempt from request to last byte.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2.5, 15), // 1 ms to 373 s
		}),
		retries: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "crates_download_retries_total",
			Help: "Download attempts that followed a failed one.",
		}),
		inflight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "crates_download_inflight",
			Help: "Download attempts under way.",
		}),
		limit: prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "crates_download_concurrency_limit",
			Help: "Simultaneous downloads that the adaptive limit allows now.",
		}, func() float64 { return float64(l.Status().Limit) }),
	}
	m.ok = m.requests.WithLabelValues("ok", "200")
	return m
}

// attempt counts one attempt. code is the HTTP status, 0 if no answer came.
func (m *metrics) attempt(ok bool, code int, bytes int64, took time.Duration) {
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

func (m *metrics) collectors() []prometheus.Collector {
	return []prometheus.Collector{m.requests, m.bytes, m.duration, m.retries, m.inflight, m.limit}
}

// Describe and Collect make metrics one prometheus.Collector.
func (m *metrics) Describe(ch chan<- *prometheus.Desc) {
	for _, c := range m.collectors() {
		c.Describe(ch)
	}
}

func (m *metrics) Collect(ch chan<- prometheus.Metric) {
	for _, c := range m.collectors() {
		c.Collect(ch)
	}
}
