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
		outcomes:  vec("crates_total", "outcome", "Requests for crate files that the mirror does not store: hit (pulled before), pulled, gone, mismatch, failed, away, refused (again), busy, full, unstored."),
		lines:     vec("lines_total", "outcome", "Checks of a crate's lines at the upstream: fresh (no request needed), unchanged, changed, absent, failed, stale (the upstream is down)."),
		pullTime:  histogram("duration_seconds", "Time from the first request for a crate file until it is durably stored."),
		lineTime:  histogram("lines_duration_seconds", "Time of a request for the lines of a crate."),
		bytes:     counter("received_bytes_total", "Bytes of pulled crate files."),
		waiting:   prometheus.NewGauge(prometheus.GaugeOpts{Name: prefix + "waiting", Help: "Clients that wait for the upstream."}),
		damaged:   counter("damaged_total", "Pulled crate files that were found damaged; they are downloaded again."),
		conflicts: counter("conflicts_total", "Lines that name other bytes for a version than the stored ones; they are not shown."),
		removed:   vec("removed_total", "why", "Removed crate files, by reason: held (the mirror stores them now), room."),
	}
	out.hit = out.outcomes.WithLabelValues("hit")
	out.gauges = []prometheus.Collector{
		gauge("stored_crates", "Pulled crate files that the mirror does not store yet.", func() float64 { return float64(m.store.files.Load()) }),
		gauge("stored_bytes", "Their bytes.", func() float64 { return float64(m.store.bytes.Load()) }),
		gauge("away", "1 if the upstream is down, otherwise 0.", func() float64 {
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
