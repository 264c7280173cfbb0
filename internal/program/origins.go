package program

import (
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/flags"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/origins"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/upstream"
)

// FallBackAttempts is the number of attempts for one of several upstreams before the next
// is tried: waiting for one that is down costs more than asking another.
const FallBackAttempts = 2

// Upstreams makes the fetchers for the runs of a process. Its counters continue when a
// later run has new clients.
type Upstreams struct {
	app     *App
	cfg     *flags.Run
	clients *upstream.Metrics
	set     *origins.Metrics // nil: there is only one upstream
	log     *slog.Logger
}

// Upstreams returns the Upstreams that cfg describes.
func (a *App) Upstreams(cfg *flags.Run, log *slog.Logger) *Upstreams {
	u := &Upstreams{app: a, cfg: cfg, clients: upstream.NewMetrics(), log: log}
	if len(cfg.Origin.Others) > 0 {
		u.set = origins.NewMetrics()
	}
	return u
}

// Metrics returns the metrics of all upstreams.
func (u *Upstreams) Metrics() []prometheus.Collector {
	if u.set == nil {
		return []prometheus.Collector{u.clients}
	}
	return []prometheus.Collector{u.clients, u.set}
}

// First makes the client of the preferred upstream.
func (u *Upstreams) First() (*upstream.Client, error) { return u.client(0) }

// client makes the client of one of several upstreams. All but the last may lack files, and
// are not waited for.
func (u *Upstreams) client(n int) (*upstream.Client, error) {
	cfg := u.cfg
	c := cfg.Net.Client(UserAgent(cfg.Net.Contact))
	c.AllowMissing, c.Dial, c.Log = cfg.AllowMissing, u.app.Dial, u.log
	c.Metrics = u.clients
	if n > 0 {
		c.Token = "" // which is for the first
	}
	if n < len(cfg.Origin.Others) {
		c.AllowMissing, c.Attempts = true, min(c.Attempts, FallBackAttempts)
	}
	return upstream.New(c)
}

// Set makes a set of several upstreams, or returns nil if there is only one.
func (u *Upstreams) Set(first *upstream.Client) (*origins.Set, error) {
	if u.set == nil {
		return nil, nil
	}
	// The first one has no URL: each item has its own, which the index may still have to
	// say.
	list := []origins.Origin{{Name: u.cfg.Origin.URLs.String(), Client: first}}
	for _, urls := range u.cfg.Origin.Others {
		c, err := u.client(len(list))
		if err != nil {
			return nil, err
		}
		list = append(list, origins.Origin{Name: urls.String(), URLs: urls, Client: c})
	}
	for n := range list {
		list[n].Renew = func() (origins.Client, error) { return u.client(n) }
	}
	return origins.NewCounted(list, u.set, u.log), nil
}
