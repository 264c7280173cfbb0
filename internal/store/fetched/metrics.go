package fetched

import (
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/store/cache"
)

// Metrics are the metrics of a store.
type Metrics struct {
	hits, failures, bytes prometheus.Counter
	fetches               prometheus.Histogram
	cached                prometheus.Collector
	cache                 atomic.Pointer[cache.Cache] // of the store
}

// NewMetrics makes metrics for a store to be made.
func NewMetrics() *Metrics {
	const prefix = "clonecratesio_fetch_"
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: prefix + name, Help: help})
	}
	m := &Metrics{
		hits:     counter("cache_hits_total", "Crates of the bucket that were served from the cache."),
		failures: counter("failures_total", "Crates that could not be fetched from the bucket, or had other bytes."),
		bytes:    counter("bytes_total", "Bytes of crates fetched from the bucket."),
		fetches: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: prefix + "duration_seconds", Help: "Time to fetch a crate from the bucket.",
			Buckets: prometheus.ExponentialBuckets(0.001, 4, 8), // 1 ms to 16 s
		}),
	}
	m.cached = prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: prefix + "cache_bytes", Help: "Bytes of crates from the bucket in the cache."},
		func() float64 { return float64(m.cache.Load().Used()) })
	return m
}

// time measures a download, and counts it if it fails.
func (m *Metrics) time(err *error) (stop func()) {
	begin := time.Now()
	return func() {
		m.fetches.Observe(time.Since(begin).Seconds())
		if *err != nil {
			m.failures.Inc()
		}
	}
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

func (m *Metrics) collectors() []prometheus.Collector {
	return []prometheus.Collector{m.hits, m.failures, m.bytes, m.fetches, m.cached}
}
