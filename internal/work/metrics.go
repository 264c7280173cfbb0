package work

import (
	"fmt"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/console"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/human"
)

// Metrics are the counts of a worker.
type Metrics struct{ done, failed, aside, running atomic.Int64 }

// MetricsNow is a snapshot of Metrics, for /api/status.
type MetricsNow struct {
	Done     int64 `json:"done"`
	Failed   int64 `json:"failed"`
	SetAside int64 `json:"set_aside"`
	Running  int64 `json:"running"`
}

// Now returns a snapshot.
func (m *Metrics) Now() MetricsNow {
	return MetricsNow{m.done.Load(), m.failed.Load(), m.aside.Load(), m.running.Load()}
}

// Collectors returns the collectors of the metrics.
func (m *Metrics) Collectors() []prometheus.Collector {
	counter := func(name, help string, n *atomic.Int64) prometheus.Collector {
		return prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help}, func() float64 { return float64(n.Load()) })
	}
	return []prometheus.Collector{
		counter("clonecratesio_worker_tasks_done_total", "Tasks whose result this worker has made durable.", &m.done),
		counter("clonecratesio_worker_tasks_failed_total", "Failed attempts at tasks; the tasks are handed out again.", &m.failed),
		counter("clonecratesio_worker_tasks_set_aside_total", "Tasks that were given up and need a decision.", &m.aside),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "clonecratesio_worker_tasks_running", Help: "Tasks in progress."},
			func() float64 { return float64(m.running.Load()) }),
	}
}

// Progress is the progress of a job, in tasks, which other goroutines may read.
type Progress struct{ done, aside, left atomic.Int64 }

func (p *Progress) set(s *State) {
	p.done.Store(int64(len(s.Done)))
	p.aside.Store(int64(len(s.Aside)))
	p.left.Store(int64(len(s.Left)))
}

// ProgressNow is a snapshot of Progress, for /api/status.
type ProgressNow struct {
	Done     int64 `json:"done"`
	SetAside int64 `json:"set_aside"`
	Left     int64 `json:"left"`
}

// Now returns a snapshot.
func (p *Progress) Now() ProgressNow {
	return ProgressNow{p.done.Load(), p.aside.Load(), p.left.Load()}
}

// State returns the state for a progress display.
func (p *Progress) State() console.State {
	done, aside, left := p.done.Load(), p.aside.Load(), p.left.Load()
	s := console.State{
		Done: done + aside, Total: done + aside + left, Processed: done,
		Line:  fmt.Sprintf(" %s of %s", human.Count(done), human.Plural(done+aside+left, "task")),
		Attrs: []any{"done", done, "set_aside", aside, "left", left},
	}
	if aside > 0 {
		s.Line += fmt.Sprintf(", %s set aside", human.Count(aside))
	}
	return s
}

// Collectors returns the collectors of the metrics.
func (p *Progress) Collectors() (all []prometheus.Collector) {
	for state, n := range map[string]*atomic.Int64{"done": &p.done, "set_aside": &p.aside, "left": &p.left} {
		all = append(all, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "clonecratesio_work_tasks", Help: "Tasks of the job, by state.", ConstLabels: prometheus.Labels{"state": state},
		}, func() float64 { return float64(n.Load()) }))
	}
	return all
}
