package telemetry

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/home"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/pages"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/roundlog"
)

// A Source reports the condition of a mirror to Prometheus, and on its page.
type Source interface {
	prometheus.Collector
	// Health sometimes takes as long as a scan of the catalog.
	Health() pages.Health
}

// maxLacking bounds the missing versions that are listed.
const maxLacking = 200

// name lists the first missing versions.
func (f *facts) name(ctx context.Context, c *catalog.Catalog) error {
	f.lacking = nil
	for m, err := range c.Missing(ctx) {
		if err != nil {
			return err
		}
		if len(f.lacking) == maxLacking {
			break
		}
		f.lacking = append(f.lacking, pages.Lacking{ID: m.ID, Reason: m.Reason, Since: m.Since})
	}
	return nil
}

// Health returns what a person looks at first.
func (m *mirror) Health() pages.Health {
	f := m.facts()
	h := pages.Health{
		Unknown: f.err != nil, Missing: f.missing, Gone: f.gone, Lacking: f.lacking,
		Coverage: f.coverage(), OldestHash: f.oldest, Swept: f.verified.Finished, Damaged: len(f.verified.Bad), Unsettled: f.unsettled,
	}
	if s, ok := m.look(); ok {
		h.Lag = lag(f.revision.Time, s.UpstreamIndexTime)
	}
	h.Rounds = rounds(m.dirs)
	for _, free := range freeSpace(m.dirs) { // the fullest disk counts
		if !h.FreeKnown || free < h.Free {
			h.Free, h.FreeKnown = free, true
		}
	}
	return h
}

// rounds returns the last rounds, or nil if they are unknown.
func rounds(d *home.Dirs) *roundlog.Log {
	state, err := durable.Open(d.State())
	if err != nil {
		return nil
	}
	defer state.Close()
	log, err := roundlog.Read(state)
	if err != nil {
		return nil
	}
	return log
}

// lag returns how far one time is behind another, or nil if either is unknown.
func lag(mirrored, upstream time.Time) *time.Duration {
	if mirrored.IsZero() || upstream.IsZero() {
		return nil
	}
	behind := max(0, upstream.Sub(mirrored))
	return &behind
}

// coverage returns the share of held versions that the sweep of verify has hashed.
func (f *facts) coverage() float64 {
	v := &f.verified
	switch {
	case !v.Begun.IsZero() && f.totals.Versions > 0:
		return min(1, float64(v.Versions)/float64(f.totals.Versions))
	case !v.Finished.IsZero():
		return 1
	}
	return 0
}
