package pull

import (
	"github.com/prometheus/client_golang/prometheus"
)

// metrics are the metrics of a mirror. No label has a value that a client or upstream
// chooses.
type metrics struct {
	outcomes  *prometheus.CounterVec
	lines     *prometheus.CounterVec
	pullTime  prometheus.Histogram
	lineTime  prometheus.Histogram
	bytes     prometheus.Counter
	waiting   prometheus.Gauge
	damaged   prometheus.Counter
	conflicts prometheus.Counter
	removed   *prometheus.CounterVec
	gauges    []prometheus.Collector

	hit prometheus.Counter // outcomes{hit}
}

const prefix = "clonecratesio_pull_"

func newMetrics(m *Mirror) *metrics {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: prefix + name, Help: help})
	}
	vec := func(name, label, help string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: prefix + name, Help: help}, []string{label})
	}
	histogram := func(name, help string) prometheus.Histogram {
		return prometheus.NewHistogram(prometheus.HistogramOpts{Name: prefix + name, Help: help, Buckets: prometheus.ExponentialBuckets(0.002, 2.5, 14)}) // to 300 s
	}
	gauge := func(name, help string, value func() float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: prefix + name, Help: help}, value)
	}
	out := &metrics{
		outcomes:  vec("crates_total", "outcome", "Crate files that the mirror does not hold: hit (was pulled before), pulled, gone, mismatch, failed, away, refused (again), busy, full, unstored."),
		lines:     vec("lines_total", "outcome", "Looks at what upstream says of a crate: fresh (known already), unchanged, changed, absent, failed, stale (upstream is away)."),
		pullTime:  histogram("duration_seconds", "Time from the first request for a crate file to its being stored durably."),
		lineTime:  histogram("lines_duration_seconds", "Time of a question for the lines of a crate."),
		bytes:     counter("received_bytes_total", "Bytes of crate files that were pulled."),
		waiting:   prometheus.NewGauge(prometheus.GaugeOpts{Name: prefix + "waiting", Help: "Clients that wait for upstream."}),
		damaged:   counter("damaged_total", "Crate files that were pulled and found damaged; they are fetched again."),
		conflicts: counter("conflicts_total", "Lines that name other bytes for a version than are held; they are not shown."),
		removed:   vec("removed_total", "why", "Crate files that were removed again: held (by the mirror), room."),
	}
	out.hit = out.outcomes.WithLabelValues("hit")
	out.gauges = []prometheus.Collector{
		gauge("stored_crates", "Crate files that were pulled and are not held by the mirror yet.", func() float64 { return float64(m.store.files.Load()) }),
		gauge("stored_bytes", "Their bytes.", func() float64 { return float64(m.store.bytes.Load()) }),
		gauge("away", "Whether upstream is away: 1, or 0.", func() float64 {
			if away, _ := m.outage.state(); away {
				return 1
			}
			return 0
		}),
	}
	return out
}

func (m *metrics) outcome(name string) { m.outcomes.WithLabelValues(name).Inc() }

// Metrics returns the mirror's metrics.
func (m *Mirror) Metrics() prometheus.Collector { return m.metrics }

func (m *metrics) collectors() []prometheus.Collector {
	return append(m.gauges, m.outcomes, m.lines, m.pullTime, m.lineTime, m.bytes, m.waiting, m.damaged, m.conflicts, m.removed)
}

// Describe implements prometheus.Collector.
func (m *metrics) Describe(ch chan<- *prometheus.Desc) {
	for _, c := range m.collectors() {
		c.Describe(ch)
	}
}

// Collect implements prometheus.Collector.
func (m *metrics) Collect(ch chan<- prometheus.Metric) {
	for _, c := range m.collectors() {
		c.Collect(ch)
	}
}
