package follow

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/mirror"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

// Metrics are the results of runs, how following goes, and what is in quarantine.
func (a *Activity) Metrics(files store.Quarantiner) (all []prometheus.Collector) {
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
		Name: "crates_republished_total", Help: "Versions that were published again with other bytes, which took the place of those held.",
	}, func() float64 { return float64(a.totals().Republished) }))
	all = append(all, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "sync_last_success_timestamp_seconds", Help: "When a round of a sync last came to its end, Unix time; 0: never.",
	}, func() float64 { return unixSeconds(a.following().good) }), prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "sync_consecutive_failures", Help: "Rounds in a row that could not go on.",
	}, func() float64 { return float64(a.following().failures) }), prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "sync_index_commit_timestamp_seconds", Help: "When the commit of the index was made that was mirrored last, Unix time; 0: not known.",
	}, func() float64 { return unixSeconds(a.following().index.Time) }))
	for name, count := range map[string]func(store.Quarantiner) (int, error){
		"quarantine_unsettled": store.Quarantiner.Quarantined,
		"quarantine_settled": func(q store.Quarantiner) (int, error) {
			_, settled, err := store.CountEvidence(q.Evidence())
			return settled, err
		},
	} {
		all = append(all, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: name, Help: "Files in quarantine: unsettled ones need a person; -1: it cannot be read.",
		}, func() float64 {
			n, err := count(files)
			if err != nil {
				return -1
			}
			return float64(n)
		}))
	}
	return all
}

// unixSeconds is 0 for the zero time.
func unixSeconds(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.Unix())
}
