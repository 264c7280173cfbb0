package servecli

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/flags"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/feed"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/prefetch"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/program"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/upstream"
)

// prefetch puts prefetching in front of a mirror that pulls.
func (p *Pull) prefetch(ctx context.Context, a *program.App, m *servedMirror, log *slog.Logger) error {
	client, err := a.IndexUpstream(&p.Net, log)
	if err != nil {
		return err
	}
	m.Add(func() error { client.Close(); return nil })
	url, _ := flags.FeedURL(p.Prefetch)
	ahead := prefetch.New(m.shown, prefetch.Config{
		Feed:  func(ctx context.Context) (feed.Feed, error) { return readFeed(ctx, client, url) },
		Every: p.PrefetchEvery, Log: log,
	})
	m.shown, m.metrics = ahead, append(m.metrics, ahead.Metrics()...)
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan struct{})
	go func() {
		defer close(done)
		ahead.Follow(life)
	}()
	m.Add(func() error { end(); <-done; return nil })
	return nil
}

func readFeed(ctx context.Context, up *upstream.Client, url string) (feed.Feed, error) {
	answer, err := up.Ask(ctx, upstream.Question{URL: url, MaxSize: feed.MaxRSS})
	if err != nil {
		return feed.Feed{}, err
	}
	defer answer.Release()
	if answer.Status != http.StatusOK {
		return feed.Feed{}, &upstream.StatusError{Status: answer.Status}
	}
	return feed.ReadRSS(bytes.NewReader(answer.Body))
}
