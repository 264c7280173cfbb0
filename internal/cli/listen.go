package cli

import (
	"log/slog"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/mirror"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/upstream"
)

// listen serves the admin endpoints of a run at addr until stop is called; an
// empty addr serves nothing.
func listen(addr string, p *mirror.Progress, client *upstream.Client, log *slog.Logger) (stop func(), err error) {
	return serveAdmin("-listen", addr, adminHandler(p, client), log)
}

func adminHandler(p *mirror.Progress, client *upstream.Client) http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		client.Metrics())
	for result, value := range map[string]func(mirror.Counts) int64{
		"downloaded":        func(c mirror.Counts) int64 { return c.Downloaded },
		"existing":          func(c mirror.Counts) int64 { return c.Existing },
		"verified_existing": func(c mirror.Counts) int64 { return c.VerifiedExisting },
		"error":             mirror.Counts.Errors,
	} {
		registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "crates_processed_total", Help: "Processed records by result.",
			ConstLabels: prometheus.Labels{"result": result},
		}, func() float64 { return float64(value(p.Snapshot())) }))
	}
	return adminMux(registry, func() any { return runState(p.Snapshot(), client.Status()) })
}
