package gate

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/blocks"
)

// Metrics are the metrics of all views of a server. Their labels are names of views and rules,
// which the operator or this program chose, never a client.
type Metrics struct {
	hidden, waived, observed *prometheus.CounterVec // by view and rule
	downloads                *prometheus.CounterVec // by view, rule and result
	dropped                  prometheus.Counter
	others                   []prometheus.Collector
}

const prefix = "clonecratesio_policy_"

// NewMetrics returns metrics for [Config].
func NewMetrics() *Metrics {
	of := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: prefix + name, Help: help}, append([]string{"view", "rule"}, labels...))
	}
	return &Metrics{
		hidden:    of("hidden_lines_total", "Omitted lines of the index, counted each time that an index file is generated."),
		waived:    of("waived_total", "Versions shown because of a waiver: lines, each time that an index file is generated, and downloads."),
		observed:  of("observed_total", "Versions shown because a rule only observes: lines, each time that an index file is generated, and downloads."),
		downloads: of("downloads_total", "Downloads of hidden versions: refused, or sent to builds with the version in a lock file (locked).", "result"),
		dropped: prometheus.NewCounter(prometheus.CounterOpts{
			Name: prefix + "audit_dropped_total", Help: "Lines missing from the audit log: there were too many, or it could not be written.",
		}),
	}
}

// Watch adds metrics of the policy of a view.
func (m *Metrics) Watch(view string, s *Source) {
	gauge := func(name, help string, value func(Status) float64) {
		m.others = append(m.others, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: prefix + name, Help: help, ConstLabels: prometheus.Labels{"view": view},
		}, func() float64 { return value(s.Status()) }))
	}
	gauge("loaded_timestamp_seconds", "When the current policy was read.", func(s Status) float64 { return float64(s.Loaded.Unix()) })
	gauge("failing", "1: the policy has changed and cannot be read; the previous one applies.", func(s Status) float64 {
		if s.Error != "" {
			return 1
		}
		return 0
	})
	m.others = append(m.others, prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: prefix + "reload_failures_total", Help: "Failed attempts to read the policy again.", ConstLabels: prometheus.Labels{"view": view},
	}, func() float64 { return float64(s.Status().Failures) }))
}

// Blocks adds a metric of the number of blocks.
func (m *Metrics) Blocks(w *blocks.Watch) {
	m.others = append(m.others, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "clonecratesio_blocks", Help: "Active manual blocks.",
	}, func() float64 { return float64(w.Count()) }))
}

// Collectors returns all metrics.
func (m *Metrics) Collectors() []prometheus.Collector {
	return append([]prometheus.Collector{m.hidden, m.waived, m.observed, m.downloads, m.dropped}, m.others...)
}
