package packed

import (
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/store/cache"
)

// Metrics are the metrics of a store.
type Metrics struct {
	hits, packHits, refused, failures, bytes prometheus.Counter
	rebuilds                                 prometheus.Histogram
	waiting                                  prometheus.Gauge
	cached                                   prometheus.Collector
	cache                                    atomic.Pointer[cache.Cache] // of the store
}

// NewMetrics makes metrics for a store to be made.
func NewMetrics() *Metrics {
	const prefix = "clonecratesio_deep_"
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: prefix + name, Help: help})
	}
	m := &Metrics{
		hits:     counter("cache_hits_total", "Crates of the deep archive that were in the cache."),
		packHits: counter("pack_hits_total", "Crates that were rebuilt from a pack that was already decoded."),
		refused:  counter("refused_total", "Crates of the deep archive that were not rebuilt because too many were waiting: answered 503."),
		failures: counter("failures_total", "Crates of the deep archive that could not be rebuilt: the pack is damaged, or the program is too old."),
		bytes:    counter("rebuilt_bytes_total", "Bytes of rebuilt crates."),
		rebuilds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: prefix + "rebuild_duration_seconds", Help: "Time to rebuild a crate, without its waiting time.",
			Buckets: prometheus.ExponentialBuckets(0.001, 4, 8), // 1 ms to 16 s
		}),
		waiting: prometheus.NewGauge(prometheus.GaugeOpts{Name: prefix + "waiting", Help: "Crates of the deep archive that wait to be rebuilt."}),
	}
	m.cached = prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: prefix + "cache_bytes", Help: "Bytes of the crates in the cache."},
		func() float64 { return float64(m.cache.Load().Used()) })
	return m
}

// time measures a rebuild.
func (m *Metrics) time() (stop func()) {
	begin := time.Now()
	return func() { m.rebuilds.Observe(time.Since(begin).Seconds()) }
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
	return []prometheus.Collector{m.hits, m.packHits, m.refused, m.failures, m.bytes, m.rebuilds, m.waiting, m.cached}
}
