package servecli

import (
	"context"
	"log/slog"
	"net/http"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/news"
)

// news watches for what the mirror begins to show, while it is open, and returns the feed
// of it; nil if there is no mirror to watch.
func (cfg *Config) news(ctx context.Context, m *servedMirror, log *slog.Logger) http.Handler {
	if m.view == nil {
		return nil
	}
	lags := news.Served()
	m.metrics = append(m.metrics, lags)
	feed := &news.Feed{}
	w := &news.Watch{Mirror: m.view, Index: cfg.Dirs.Index, Arrivals: news.NewArrivals(lags), Feed: feed, Log: log}
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.Follow(life)
	}()
	m.Add(func() error { end(); <-done; return nil })
	return feed
}
