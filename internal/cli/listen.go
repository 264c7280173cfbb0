package cli

import (
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/admin"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/mirror"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/upstream"
)

func adminHandler(act *activity, files store.Quarantiner, client *upstream.Client) http.Handler {
	metrics := []prometheus.Collector{client.Metrics()}
	for result, value := range map[string]func(mirror.Counts) int64{
		"downloaded":        func(c mirror.Counts) int64 { return c.Downloaded },
		"existing":          func(c mirror.Counts) int64 { return c.Existing },
		"verified_existing": func(c mirror.Counts) int64 { return c.VerifiedExisting },
		"error":             mirror.Counts.Errors,
	} {
		metrics = append(metrics, prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "crates_processed_total", Help: "Processed records by result.",
			ConstLabels: prometheus.Labels{"result": result},
		}, func() float64 { return float64(value(act.totals())) }))
	}
	metrics = append(metrics, prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "crates_republished_total", Help: "Versions that were published again with other bytes, which took the place of those held.",
	}, func() float64 { return float64(act.totals().Republished) }))
	metrics = append(metrics, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "sync_last_success_timestamp_seconds", Help: "When a round of a sync last came to its end, Unix time; 0: never.",
	}, func() float64 { return unixSeconds(act.following().good) }), prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "sync_consecutive_failures", Help: "Rounds in a row that could not go on.",
	}, func() float64 { return float64(act.following().failures) }), prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "sync_index_commit_timestamp_seconds", Help: "When the commit of the index was made that was mirrored last, Unix time; 0: not known.",
	}, func() float64 { return unixSeconds(act.following().index.Time) }))
	for name, count := range map[string]func(store.Quarantiner) (int, error){
		"quarantine_unsettled": store.Quarantiner.Quarantined,
		"quarantine_settled": func(q store.Quarantiner) (int, error) {
			_, settled, err := store.CountEvidence(q.Evidence())
			return settled, err
		},
	} {
		metrics = append(metrics, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: name, Help: "Files in quarantine: unsettled ones need a person; -1: it cannot be read.",
		}, func() float64 {
			n, err := count(files)
			if err != nil {
				return -1
			}
			return float64(n)
		}))
	}
	return admin.Handler(func() any { return act.state(client.Status()) }, metrics...)
}

// unixSeconds is 0 for the zero time.
func unixSeconds(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.Unix())
}
