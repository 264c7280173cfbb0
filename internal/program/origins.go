package program

import (
	"log/slog"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/flags"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/origins"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/upstream"
)

// fallBackAttempts is how often one of several upstreams is tried before the next is:
// waiting for one that is away costs more than asking another.
const fallBackAttempts = 2

// FirstUpstream makes the client of the upstream that is preferred.
func (a *App) FirstUpstream(cfg *flags.Run, log *slog.Logger) (*upstream.Client, error) {
	return a.upstreamOf(cfg, 0, log)
}

// upstreamOf makes the client of one of several upstreams. All but the last may lack
// files, and are not waited for.
func (a *App) upstreamOf(cfg *flags.Run, n int, log *slog.Logger) (*upstream.Client, error) {
	c := cfg.Net.Client(UserAgent(cfg.Net.Contact))
	c.AllowMissing, c.Dial, c.Log = cfg.AllowMissing, a.Dial, log
	if n > 0 {
		c.Token = "" // which is for the first
	}
	if n < len(cfg.Origin.Others) {
		c.AllowMissing, c.Attempts = true, min(c.Attempts, fallBackAttempts)
	}
	return upstream.New(c)
}

// Origins returns what makes a set of several upstreams; nil if one alone is named.
func (a *App) Origins(cfg *flags.Run, log *slog.Logger) func(first *upstream.Client) (*origins.Set, error) {
	if len(cfg.Origin.Others) == 0 {
		return nil
	}
	return func(first *upstream.Client) (*origins.Set, error) {
		// The first is where each item says: the index may have to say it yet.
		list := []origins.Origin{{Name: cfg.Origin.URLs.String(), Client: first}}
		for _, urls := range cfg.Origin.Others {
			c, err := a.upstreamOf(cfg, len(list), log)
			if err != nil {
				return nil, err
			}
			list = append(list, origins.Origin{Name: urls.String(), URLs: urls, Client: c})
		}
		for n := range list {
			list[n].Renew = func() (origins.Client, error) { return a.upstreamOf(cfg, n, log) }
		}
		return origins.New(list, log), nil
	}
}
