package follow

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

// commits counts what the stores of a process made durable, and the time that it took.
type commits struct {
	checkpoints     prometheus.Histogram
	bundles, crates prometheus.Counter
}

func newCommits() *commits {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: "clonecratesio_" + name, Help: help})
	}
	return &commits{
		checkpoints: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "clonecratesio_checkpoint_duration_seconds", Help: "Time to make the crates durable that were stored since the last checkpoint.",
			Buckets: []float64{0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30},
		}),
		bundles: counter("bundles_finished_total", "Bundles that this process finished."),
		crates:  counter("bundled_versions_total", "Versions in these bundles."),
	}
}

func (c *commits) collectors() []prometheus.Collector {
	return []prometheus.Collector{c.checkpoints, c.bundles, c.crates}
}

// time returns a store that counts its checkpoints.
func (c *commits) time(s store.Store) store.Store {
	t := timed{s, c}
	if f, ok := s.(store.Finisher); ok {
		return timedFinisher{t, f}
	}
	return t
}

type timed struct {
	store.Store
	commits *commits
}

// Checkpoint implements store.Writer.
func (t timed) Checkpoint(ctx context.Context) (store.Outcome, error) {
	return t.commits.measure(ctx, t.Store.Checkpoint)
}

type timedFinisher struct {
	timed
	finisher store.Finisher
}

// Finish implements store.Finisher.
func (t timedFinisher) Finish(ctx context.Context) (store.Outcome, error) {
	return t.commits.measure(ctx, t.finisher.Finish)
}

func (c *commits) measure(ctx context.Context, checkpoint func(context.Context) (store.Outcome, error)) (store.Outcome, error) {
	begun := time.Now()
	outcome, err := checkpoint(ctx)
	if err != nil {
		return outcome, err
	}
	c.checkpoints.Observe(time.Since(begun).Seconds())
	for i := range outcome.Finished {
		c.bundles.Inc()
		c.crates.Add(float64(outcome.Finished[i].Entries))
	}
	return outcome, nil
}
