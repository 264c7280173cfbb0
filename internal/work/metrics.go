package work

import (
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics are counts of a worker.
type Metrics struct{ done, failed, aside, running atomic.Int64 }

// Collectors are the metrics.
func (m *Metrics) Collectors() []prometheus.Collector {
	counter := func(name, help string, n *atomic.Int64) prometheus.Collector {
		return prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help}, func() float64 { return float64(n.Load()) })
	}
	return []prometheus.Collector{
		counter("worker_tasks_done_total", "Tasks whose result this worker has made durable.", &m.done),
		counter("worker_tasks_failed_total", "Attempts at tasks that failed; they are given out again.", &m.failed),
		counter("worker_tasks_set_aside_total", "Tasks that were given up and need a person.", &m.aside),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "worker_tasks_running", Help: "Tasks that are being worked on."},
			func() float64 { return float64(m.running.Load()) }),
	}
}
