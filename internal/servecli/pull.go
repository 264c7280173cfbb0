package servecli

import (
	"context"
	"errors"
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
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/sparse"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/program"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/pull"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/upstream"
)

// Pull is the flags about what the mirror does not hold yet.
type Pull struct {
	On, Only, Offline bool
	IndexURL          string
	IndexAge          time.Duration
	CacheGB           int64
	Origin            flags.Origin
	Net               flags.Net
}

// cratesIOIndex is the sparse index of crates.io.
const cratesIOIndex = "sparse+https://index.crates.io/"

func (p *Pull) flags() []cli.Flag {
	return append([]cli.Flag{
		&cli.BoolFlag{Name: "pull", Usage: "fetch what the mirror does not hold when it is asked for, and keep it in pulled/ of -mirror", Destination: &p.On},
		&cli.BoolFlag{Name: "pull-only", Usage: "-pull without a mirror: be a proxy that keeps what it gave", Destination: &p.Only},
		&cli.DurationFlag{Name: "pull-index-age", Value: time.Minute, Usage: "with -pull: ask for the lines of a crate again when what is known of them is older", Destination: &p.IndexAge},
		&cli.Int64Flag{Name: "pull-cache-gb", Usage: "with -pull: keep up to `N` GiB of what was pulled, the rest goes that was not asked for lately; 0 = all", Destination: &p.CacheGB},
		&cli.BoolFlag{Name: "offline", Usage: "with -pull: make no request upstream, serve what was pulled", Destination: &p.Offline},
		&cli.StringFlag{Name: "index-url", Value: cratesIOIndex, Usage: "with -pull: the sparse index to ask, `URL`: sparse+https://HOST/PATH/", Destination: &p.IndexURL},
		&cli.StringFlag{Name: "crates-base-url", Usage: "with -pull: crate files are at `URL`, as for sync (default: " + crate.CratesIO + ", or where config.json of -index-url says, but not in a private network)", Destination: &p.Origin.Base},
	}, p.Net.Flags()...)
}

func (p *Pull) check() error {
	p.On = p.On || p.Only
	switch {
	case !p.On && (p.Offline || p.CacheGB != 0 || p.Origin.Base != ""):
		return flags.Usagef("-offline, -pull-cache-gb and -crates-base-url are for -pull alone: without it nothing is asked for")
	case p.IndexAge < 0:
		return flags.Usagef("-pull-index-age is %v, want 0 (always) or more", p.IndexAge)
	case p.CacheGB < 0 || p.CacheGB > maxCacheGB:
		return flags.Usagef("-pull-cache-gb is %d, want 0 (all is kept) to %d", p.CacheGB, maxCacheGB)
	case !sparse.IsURL(p.IndexURL):
		return flags.Usagef("-index-url %s: -pull asks sparse indexes alone: want sparse+https://HOST/PATH/", p.IndexURL)
	}
	return flags.CheckUpstream(&p.Origin, &p.Net)
}

// pull puts what is pulled in front of a mirror.
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
		up := &pull.Upstream{Index: p.IndexURL, URLs: p.urls(), Clients: func() (*upstream.Client, error) { return p.client(a, log) }}
		if _, err := sparse.New(p.IndexURL, nil); err != nil {
			return errors.Join(flags.Usagef("-index-url: %w", err))
		}
		m.Add(up.Close)
		job.Index, job.Fetch = up, up
	}
	pulled, err := pull.Open(ctx, job)
	if err != nil {
		return err
	}
	m.Add(pulled.Close)
	m.shown, m.metrics = pulled, append(m.metrics, pulled.Metrics())
	return nil
}

// urls are where crate files are, if that is known before anybody is asked.
func (p *Pull) urls() crate.URLTemplate {
	if p.Origin.URLs.IsZero() && p.IndexURL == cratesIOIndex {
		return crate.CratesIOURLs
	}
	return p.Origin.URLs
}

// client is patient as long as a cargo waits that sees nothing come, which is half a
// minute.
func (p *Pull) client(a *program.App, log *slog.Logger) (*upstream.Client, error) {
	c := p.Net.Client(program.UserAgent(p.Net.Contact))
	c.Attempts, c.RetryMax = min(c.Attempts, 3), min(c.RetryMax, 2*time.Second)
	c.HeaderTimeout, c.StallTimeout, c.MinRate = 10*time.Second, 10*time.Second, 4<<10
	c.RefusalLimit, c.FailureLimit = math.MaxInt32, math.MaxInt32 // package pull has its own judgement
	if c.HTTP == "auto" {
		c.HTTP = "best" // lines are small and many
	}
	c.Dial, c.Log = a.Dial, log
	return upstream.New(c)
}
