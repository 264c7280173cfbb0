// Package prefetch downloads new versions of the crates that clients use before they request
// them. It is in front of a mirror that pulls (package pull), records which crates are
// opened, and opens their new versions when a feed names them.
//
// # Limits
//
// It remembers, only in memory, 4,096 crates that were requested within a week, and as many
// prefetched versions; after a restart it learns them again. A round downloads the newest
// version of at most 200 crates, and an hour has at most 1 GiB.
package prefetch

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/feed"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/reader"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/recent"
)

// Limits: see the package comment.
const (
	mostKept  = 4096
	interest  = 7 * 24 * time.Hour
	perRound  = 200
	bytesHour = 1 << 30
)

// Config configures a [Mirror].
type Config struct {
	// Feed returns recent publications.
	Feed func(ctx context.Context) (feed.Feed, error)
	// Every is the time between two requests of the feed.
	Every time.Duration
	Log   *slog.Logger // must not be nil
}

// Mirror is a mirror that prefetches. Its methods may be called concurrently.
type Mirror struct {
	reader.Mirror
	cfg    Config
	wanted recent.Map[string, time.Time] // when a version of a crate was requested, by lower-case name
	ahead  recent.Map[crate.Key, bool]   // prefetched versions; true: not requested yet

	mu   sync.Mutex // guards what follows
	hour time.Time  // the current one
	used int64      // bytes in the current hour

	fetched, taken prometheus.Counter
}

// New returns a mirror in front of one that pulls.
func New(behind reader.Mirror, cfg Config) *Mirror {
	m := &Mirror{Mirror: behind, cfg: cfg}
	m.wanted.Most, m.ahead.Most = mostKept, mostKept
	m.fetched = prometheus.NewCounter(prometheus.CounterOpts{Name: "clonecratesio_prefetch_versions_total", Help: "New versions of crates in use that were downloaded before a client asked for them."})
	m.taken = prometheus.NewCounter(prometheus.CounterOpts{Name: "clonecratesio_prefetch_used_total", Help: "Prefetched versions that a client has asked for since."})
	return m
}

// Metrics returns the mirror's own metrics.
func (m *Mirror) Metrics() []prometheus.Collector { return []prometheus.Collector{m.fetched, m.taken} }

// Open implements reader.Files.
func (m *Mirror) Open(ctx context.Context, id crate.ID) (*reader.File, error) {
	f, err := m.Mirror.Open(ctx, id)
	m.asked(f)
	return f, err
}

// OpenBytes implements reader.Files.
func (m *Mirror) OpenBytes(ctx context.Context, key crate.Key) (*reader.File, error) {
	f, err := m.Mirror.OpenBytes(ctx, key)
	m.asked(f)
	return f, err
}

// asked records what a client was given; nil: nothing.
func (m *Mirror) asked(f *reader.File) {
	if f == nil {
		return
	}
	m.wanted.Put(strings.ToLower(f.ID.Name), time.Now())
	key := crate.Key{ID: f.ID, Checksum: f.Checksum}
	if unused, _ := m.ahead.Peek(key); unused {
		m.ahead.Put(key, false)
		m.taken.Inc()
	}
}

// Follow prefetches until ctx ends.
func (m *Mirror) Follow(ctx context.Context) {
	for ctx.Err() == nil {
		if err := m.Round(ctx, time.Now()); err != nil && ctx.Err() == nil {
			m.cfg.Log.Warn("prefetching nothing for now: the feed of new versions could not be read", "err", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(m.cfg.Every):
		}
	}
}

// Round prefetches new versions in the feed of crates that clients requested.
func (m *Mirror) Round(ctx context.Context, now time.Time) error {
	f, err := m.cfg.Feed(ctx)
	if err != nil {
		return err
	}
	done := map[string]bool{}
	for i := range f.Items {
		name := strings.ToLower(f.Items[i].Name)
		at, ok := m.wanted.Peek(name)
		if !ok || now.Sub(at) > interest || done[name] {
			continue
		}
		if len(done) == perRound || !m.room(now) || ctx.Err() != nil {
			break
		}
		done[name] = true
		if err := m.fetch(ctx, name); err != nil {
			m.cfg.Log.Debug("a new version could not be prefetched", "crate", name, "err", err)
		}
	}
	return ctx.Err()
}

// room reports whether this hour has bytes left.
func (m *Mirror) room(now time.Time) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if now.Sub(m.hour) >= time.Hour || now.Before(m.hour) {
		m.hour, m.used = now, 0
	}
	return m.used < bytesHour
}

// fetch makes the mirror pull the newest version of a crate, unless it holds that.
func (m *Mirror) fetch(ctx context.Context, name string) error {
	c, err := m.Mirror.Crate(ctx, name)
	if err != nil {
		return err
	}
	newest := c.Newest()
	if newest.Held {
		return nil
	}
	f, err := m.Mirror.OpenBytes(ctx, newest.Key())
	if err != nil {
		return err
	}
	m.mu.Lock()
	m.used += f.Size()
	m.mu.Unlock()
	m.ahead.Put(newest.Key(), true)
	m.fetched.Inc()
	return f.Close()
}
