package servecli

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/flags"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/git"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/sparse"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/origins"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/program"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/pull"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/upstream"
)

// Pull is the flags about versions that the mirror does not hold yet.
type Pull struct {
	On, Only, Offline bool
	IndexURL          string
	IndexAge          time.Duration
	CacheGB           int64
	Prefetch          string
	PrefetchEvery     time.Duration
	Origin            flags.Origin
	Net               flags.Net
}

// cratesIOIndex is the sparse index of crates.io.
const cratesIOIndex = "sparse+https://index.crates.io/"

// ownIndex is the value of -index-url for the mirror's own index.
const ownIndex = "mirror"

func (p *Pull) flags() []cli.Flag {
	return append([]cli.Flag{
		&cli.BoolFlag{Name: "pull", Usage: "download what the mirror does not have when clients request it, and keep it in pulled/ of -mirror", Destination: &p.On},
		&cli.BoolFlag{Name: "pull-only", Usage: "-pull without a mirror: be a caching proxy", Destination: &p.Only},
		&cli.DurationFlag{Name: "pull-index-age", Value: time.Minute, Usage: "with -pull: request the index lines of a crate again when they are this old", Destination: &p.IndexAge},
		&cli.Int64Flag{Name: "pull-cache-gb", Usage: "with -pull: keep up to `N` GiB of downloaded crates, and remove those that were not requested lately; 0 = keep all", Destination: &p.CacheGB},
		&cli.StringFlag{Name: "prefetch", Usage: "with -pull: download new versions of crates that clients requested before they are requested. `SOURCE` lists what is new: rss (the feed of crates.io), the URL of such a feed, or http://PEER/", Destination: &p.Prefetch},
		&cli.DurationFlag{Name: "prefetch-every", Value: time.Minute, Usage: "with -prefetch: read SOURCE this often", Destination: &p.PrefetchEvery},
		&cli.BoolFlag{Name: "offline", Usage: "with -pull: make no request to upstream, serve only what is stored", Destination: &p.Offline},
		&cli.StringFlag{Name: "index-url", Value: cratesIOIndex, Usage: "with -pull: read the index at `URL`, sparse+https://HOST/PATH/, or " + ownIndex + " for the one that sync keeps in -mirror", Destination: &p.IndexURL},
		p.Origin.Flag("with -pull: download crate files from "),
	}, p.Net.Flags()...)
}

func (p *Pull) check() error {
	p.On = p.On || p.Only
	if err := flags.CheckUpstream(&p.Origin, &p.Net); err != nil {
		return err
	}
	switch {
	case !p.On && (p.Offline || p.CacheGB != 0 || p.Origin.Base != ""):
		return flags.Usagef("-offline, -pull-cache-gb and -crates-base-url are for -pull alone: without it nothing is asked for")
	case p.Prefetch != "" && (!p.On || p.Offline):
		return flags.Usagef("-prefetch is for -pull, and not for -offline")
	case p.PrefetchEvery < time.Second:
		return flags.Usagef("-prefetch-every is %v, want 1s or more", p.PrefetchEvery)
	case p.IndexAge < 0:
		return flags.Usagef("-pull-index-age is %v, want 0 (always) or more", p.IndexAge)
	case p.CacheGB < 0 || p.CacheGB > maxCacheGB:
		return flags.Usagef("-pull-cache-gb is %d, want 0 (all is kept) to %d", p.CacheGB, maxCacheGB)
	case p.IndexURL == ownIndex && p.Only:
		return flags.Usagef("-pull-only has no index of its own: write -index-url sparse+https://HOST/PATH/")
	case p.IndexURL != ownIndex && !sparse.IsURL(p.IndexURL):
		return flags.Usagef("-index-url %s is no sparse index, and -pull asks for single crates: write sparse+https://HOST/PATH/ (that of crates.io is %s), or -index-url %s for the git index that sync keeps in -mirror",
			git.WithoutPassword(p.IndexURL), cratesIOIndex, ownIndex)
	}
	if _, ok := flags.FeedURL(p.Prefetch); p.Prefetch != "" && !ok {
		return flags.Usagef("-prefetch %s: want rss, the URL of a feed, or http://PEER/", p.Prefetch)
	}
	return nil
}

// pull puts pulling in front of a mirror.
func (cfg *Config) pull(ctx context.Context, a *program.App, m *servedMirror, behind pull.Behind, log *slog.Logger) (err error) {
	p := &cfg.Pull
	dir := cfg.Dirs.Pulled()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	lock, err := durable.Lock(filepath.Join(dir, pull.LockName), program.Owner(dir))
	if err != nil {
		return fmt.Errorf("serving with -pull: %w", err)
	}
	m.Add(lock.Release)
	folder, err := a.Folder(dir)
	if err != nil {
		return err
	}
	m.Add(folder.Close)
	job := pull.Config{
		Behind: behind, Folder: folder, MaxAge: max(p.IndexAge, time.Nanosecond), MaxBytes: p.CacheGB << 30, Concurrent: p.Net.Concurrency, Log: log,
	}
	if !p.Offline {
		if err := cfg.connect(ctx, a, m, &job, log); err != nil {
			return err
		}
	}
	pulled, err := pull.Open(ctx, job)
	if err != nil {
		return err
	}
	m.Add(pulled.Close)
	m.shown, m.metrics = pulled, append(m.metrics, pulled.Metrics())
	if p.Prefetch != "" {
		return p.prefetch(ctx, a, m, log)
	}
	return nil
}

// connect sets in job whom to ask for lines, and for crate files.
func (cfg *Config) connect(ctx context.Context, a *program.App, m *servedMirror, job *pull.Config, log *slog.Logger) error {
	p := &cfg.Pull
	first := &pull.Upstream{Client: p.client(a, 0, log), Index: p.IndexURL, URLs: p.Origin.URLs}
	m.Add(func() error { first.Close(); return nil })
	switch p.IndexURL {
	case ownIndex:
		if err := p.Origin.ResolveIn(ctx, cfg.Dirs.Index, log); err != nil {
			return err
		}
		first.URLs, first.Guarded = p.Origin.URLs, p.Origin.Guarded
		job.Index = &pull.Own{Mirror: m.view}
	case cratesIOIndex:
		if first.URLs.IsZero() {
			first.URLs = crate.CratesIOURLs
		}
		job.Index = first
	default:
		if _, err := sparse.New(p.IndexURL, nil); err != nil {
			return flags.Usagef("-index-url: %w", err)
		}
		first.Guarded = first.URLs.IsZero() && p.Origin.Base != flags.Auto
		job.Index = first
	}
	job.Fetch = p.inOrder(a, m, first, log)
	return nil
}

// inOrder returns a fetcher for several upstreams in order, or the first one if there are
// no others.
func (p *Pull) inOrder(a *program.App, m *servedMirror, first *pull.Upstream, log *slog.Logger) pull.Fetcher {
	if len(p.Origin.Others) == 0 {
		return first
	}
	list := []origins.Origin{{Name: first.URLs.String(), Client: first}}
	for _, urls := range p.Origin.Others {
		list = append(list, origins.Origin{Name: urls.String(), URLs: urls, Client: p.client(a, len(list), log)})
	}
	set := origins.New(list, log)
	m.metrics = append(m.metrics, set.Metrics())
	m.Add(func() error { set.Close(); return nil })
	return set
}

// Limits for waiting for upstream, because cargo, which receives nothing meanwhile, gives
// up after half a minute.
const (
	maxAttempts = 3
	maxRetry    = 2 * time.Second
	maxSilence  = 10 * time.Second
	minRate     = 4 << 10 // bytes per second
)

// client returns the client of the n-th upstream. The token is for the first one. All but
// the last may lack files, and are not waited for.
func (p *Pull) client(a *program.App, n int, log *slog.Logger) *pull.Client {
	c := p.Net.Client(program.UserAgent(p.Net.Contact))
	c.Attempts, c.RetryMax = min(c.Attempts, maxAttempts), min(c.RetryMax, maxRetry)
	c.HeaderTimeout, c.StallTimeout, c.MinRate = maxSilence, maxSilence, minRate
	c.RefusalLimit, c.FailureLimit = math.MaxInt32, math.MaxInt32 // package pull decides that itself
	if n > 0 {
		c.Token = ""
	}
	if n < len(p.Origin.Others) {
		c.Attempts = min(c.Attempts, program.FallBackAttempts)
	}
	if c.HTTP == "auto" {
		c.HTTP = "best" // lines are small and many
	}
	c.Dial, c.Log = a.Dial, log
	return &pull.Client{Make: func() (*upstream.Client, error) { return upstream.New(c) }}
}
