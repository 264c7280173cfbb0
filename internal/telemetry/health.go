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

// A Source says how a mirror is: to Prometheus, and on its page.
type Source interface {
	prometheus.Collector
	// Health takes the time of a scan of the catalog now and then.
	Health() pages.Health
}

// maxLacking is how many missing versions are named.
const maxLacking = 200

// name notes the first versions that are missing.
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

// Health is what a person looks at first.
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

// rounds are the last ones; nothing if that is not known.
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

// lag is how far one time is behind another, nil if either is not known.
func lag(mirrored, upstream time.Time) *time.Duration {
	if mirrored.IsZero() || upstream.IsZero() {
		return nil
	}
	behind := max(0, upstream.Sub(mirrored))
	return &behind
}

// coverage is the share of what is held that the sweep of verify has hashed.
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
