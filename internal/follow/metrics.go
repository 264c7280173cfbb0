package follow

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/mirror"
)

// Metrics returns metrics of this process's runs.
func (a *Activity) Metrics() (all []prometheus.Collector) {
	for result, value := range map[string]func(mirror.Counts) int64{
		"downloaded":        func(c mirror.Counts) int64 { return c.Downloaded },
		"existing":          func(c mirror.Counts) int64 { return c.Existing },
		"verified_existing": func(c mirror.Counts) int64 { return c.VerifiedExisting },
		"error":             mirror.Counts.Errors,
	} {
		all = append(all, prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "crates_processed_total", Help: "Processed records by result.",
			ConstLabels: prometheus.Labels{"result": result},
		}, func() float64 { return float64(value(a.totals())) }))
	}
	all = append(all, prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "crates_republished_total", Help: "Versions that were published again with other bytes, which replaced the stored ones.",
	}, func() float64 { return float64(a.totals().Republished) }))
	return append(all, append(a.commits.collectors(), a.arrivals.Lags)...)
}
