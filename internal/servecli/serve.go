// Package servecli has the command that serves a mirror: its flags, its help, and what it
// opens. Packages registry and pages make the responses.
package servecli

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"log/slog"
	"net"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/urfave/cli/v3"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/admin"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/flags"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/home"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/peer"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/program"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/publicurl"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/pull"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/reader"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/registry"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/replica"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store/packed"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/telemetry"
)

// Config is the flags of serve; their usage texts explain them.
type Config struct {
	Dirs           flags.Dirs
	Listen         string
	PublicURL      string
	TLS            TLS
	MaxConns       int
	CacheMB        int64
	DeepCacheGB    int64
	Store          flags.Store
	FetchedCacheGB int64
	AdminListen    flags.Listen
	Policy         Policy
	Pull           Pull
	Access         Access
	Git            bool
	Descriptions   string
	Log            flags.Log
}

//go:embed help/*.txt
var helpTexts embed.FS

// Serve returns the command; exitCodes describes its exit codes.
func Serve(a *program.App, exitCodes string) *cli.Command {
	var cfg Config
	return &cli.Command{
		Name:         "serve",
		Usage:        "serve the mirror to cargo and to browsers",
		Description:  program.HelpText(helpTexts, "serve") + "\n\n" + exitCodes + "\n\n" + program.HelpText(helpTexts, "serve-end"),
		Flags:        cfg.flags(),
		OnUsageError: program.OnUsageError,
		Action:       program.Action(cfg.check, func(ctx context.Context) error { return Run(ctx, a, &cfg) }),
	}
}

func (cfg *Config) flags() []cli.Flag {
	list := append(cfg.Dirs.Flags(), cfg.Dirs.LogDirFlag(),
		&cli.StringFlag{Name: "listen", Value: "127.0.0.1:8080", Usage: "serve at `ADDR`; :8080 is every address of this machine", Destination: &cfg.Listen},
		&cli.StringFlag{Name: "public-url", Usage: "clients reach the server at `URL`, for example through a proxy, with its path if it has one; default: the address that each client connected to", Destination: &cfg.PublicURL},
		&cli.IntFlag{Name: "max-conns", Usage: "accept at most `N` connections at a time; others wait; 0 = as many as the limit on open files allows", Destination: &cfg.MaxConns},
		&cli.Int64Flag{Name: "index-cache-mb", Value: 64, Usage: "cache up to `N` MiB of index files in memory", Destination: &cfg.CacheMB},
		&cli.Int64Flag{Name: "deep-cache-gb", Value: 5, Usage: "cache up to `N` GiB of crates rebuilt from the deep archive in files; 0 = none", Destination: &cfg.DeepCacheGB},
		cfg.Store.Flag("be a replica, with its state in -mirror, of the mirror in this bucket"),
		&cli.Int64Flag{Name: "cache-gb", Value: 10, Usage: "with -store: cache up to `N` GiB of crates from the bucket in files; 0 = none", Destination: &cfg.FetchedCacheGB},
		cfg.AdminListen.Flag("admin-listen", "127.0.0.1:9091"),
	)
	list = append(append(list, cfg.TLS.flags()...), cfg.gitFlag(), cfg.descriptionsFlag())
	list = append(list, cfg.Policy.flags()...)
	list = append(list, cfg.Pull.flags()...)
	list = append(list, cfg.Access.flags()...)
	return append(list, cfg.Log.Flags()...)
}

// maxCacheGB is more than any mirror has.
const maxCacheGB = 1 << 20

// check rejects contradicting flags, before anything is touched.
func (cfg *Config) check() error {
	switch {
	case cfg.MaxConns < 0:
		return flags.Usagef("-max-conns is %d, want 0 (as many as fit) or more", cfg.MaxConns)
	case cfg.CacheMB < 1:
		return flags.Usagef("-index-cache-mb is %d, want at least 1", cfg.CacheMB)
	case cfg.DeepCacheGB < 0 || cfg.DeepCacheGB > maxCacheGB:
		return flags.Usagef("-deep-cache-gb is %d, want 0 (none) to %d", cfg.DeepCacheGB, maxCacheGB)
	case cfg.FetchedCacheGB < 0 || cfg.FetchedCacheGB > maxCacheGB:
		return flags.Usagef("-cache-gb is %d, want 0 (none) to %d", cfg.FetchedCacheGB, maxCacheGB)
	}
	if _, err := publicurl.Parse(cfg.PublicURL); err != nil {
		return flags.Usagef("-public-url: %w", err)
	}
	return errors.Join(cfg.Log.Check(), cfg.Store.Check(), cfg.Policy.check(), cfg.Pull.check(), cfg.Access.check(cfg.TLS.on()), cfg.TLS.check())
}

// Run serves until ctx ends.
func Run(ctx context.Context, a *program.App, cfg *Config) (err error) {
	log := cfg.Log.Logger(a.Stderr)
	cfg.Dirs.Fill()
	cfg.AdminListen.Needed = true
	public, err := publicurl.Parse(cfg.PublicURL)
	if err != nil {
		return err
	}
	m, err := openMirror(ctx, a, cfg, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.Close()) }()
	needs := m.dependants(ctx, cfg, log)
	if err := m.search(ctx, cfg, needs, log); err != nil {
		return err
	}
	g, err := cfg.gate(ctx, m, m.shown, log)
	if err != nil {
		return err
	}
	if err := cfg.TLS.prepare(cfg.Dirs.State(), cfg.Listen, cfg.PublicURL); err != nil {
		return err
	}
	server, err := registry.Listen(cfg.Access.listens(registry.ServerConfig{
		Addr: cfg.Listen, TLSCert: cfg.TLS.Cert, TLSKey: cfg.TLS.Key, MaxConns: cfg.MaxConns, Log: log,
	}))
	if err != nil {
		return fmt.Errorf("%w (if another program has the port, give another one with -listen)", err)
	}
	git, err := cfg.gitHandler(ctx, m, g.root, server.ClientURL(public), log)
	if err != nil {
		return errors.Join(err, server.Close())
	}
	var facts telemetry.Source
	if m.view != nil {
		facts = telemetry.Mirror(&cfg.Dirs.Dirs, m.view.Run)
	}
	h, stopPages := g.handler(ctx, cfg, m.shown, registry.Config{PublicURL: public, CacheSize: cfg.CacheMB << 20, LogDir: cfg.Dirs.Statements, Peers: peer.Handler(m.peers), Git: git, Feed: cfg.news(ctx, m, log), Private: cfg.Access.closed(), Tokens: cfg.Access.Tokens != "", Log: log}, needs, facts)
	defer stopPages()
	server.OnShutdown(stopPages)
	in, err := cfg.Access.before(ctx, m, h, public, log)
	if err != nil {
		return errors.Join(err, server.Close())
	}
	stopAdmin, err := cfg.serveAdmin(m, g, h, server, facts, log)
	if err != nil {
		return errors.Join(err, server.Close())
	}
	defer stopAdmin()
	defer collectLater()()
	log.Info("serving", "addr", server.Addr().String(), "max_conns", server.MaxConns(), "crates", cfg.Dirs.Crates, "bundles", cfg.Dirs.Bundles, "index", cfg.Dirs.Index)
	if public.IsZero() && server.EveryAddress() {
		log.Info("config.json names the address at which each client has connected; behind a proxy or a mapped port give -public-url")
	}
	if err := cfg.Dirs.CheckCatalog(); err != nil && !cfg.Pull.On { // a run that is making one may be running
		log.Warn("nothing is served yet: "+err.Error(), "next", program.Hint(err))
	}
	fmt.Fprint(a.Stdout, cfg.TLS.cargoConfig(server.ClientURL(public)))
	return server.Serve(ctx, admin.Health(public.Path(), m.ready, in))
}

// servedMirror is an open mirror to serve.
type servedMirror struct {
	view    *reader.View     // nil: -pull-only
	shown   reader.Mirror    // view, or what is in front of it
	replica *replica.Replica // nil: not a replica
	bucket  bucket.Reader    // of the replica
	peers   peer.Source
	metrics []prometheus.Collector
	home.Closers
}

// openMirror opens the mirror to serve.
func openMirror(ctx context.Context, a *program.App, cfg *Config, log *slog.Logger) (_ *servedMirror, err error) {
	m := &servedMirror{peers: peer.NewFolder(&cfg.Dirs.Dirs)}
	defer func() {
		if err != nil {
			err = errors.Join(err, m.Close())
		}
	}()
	if cfg.Pull.Only {
		return m, cfg.pull(ctx, a, m, pull.Nothing{}, log)
	}
	view := reader.Config{Dirs: cfg.Dirs.Dirs, Limits: home.Limits{DeepCache: cfg.DeepCacheGB << 30, Packs: packed.UsualPacks, Deep: packed.NewMetrics()}, Log: log}
	m.metrics = append(m.metrics, view.Limits.Deep)
	if cfg.Store.URL != "" {
		if err := cfg.follow(ctx, a, m, &view); err != nil {
			return nil, err
		}
	} else if err := errors.Join(cfg.Dirs.CheckState(), cfg.Dirs.CheckHere()); err != nil {
		return nil, err
	}
	if m.view, err = reader.Open(ctx, view); err != nil {
		return nil, err
	}
	m.Add(m.view.Close)
	if m.shown = m.view; cfg.Pull.On {
		err = cfg.pull(ctx, a, m, m.view, log)
	}
	return m, err
}

func (cfg *Config) serveAdmin(m *servedMirror, g *gated, h *registry.Handler, server *registry.Server, facts telemetry.Source, log *slog.Logger) (stop func(), err error) {
	if host, _, err := net.SplitHostPort(cfg.AdminListen.Addr); err == nil && host != "localhost" && !admin.IsLoopback(cfg.AdminListen.Addr) {
		log.Warn("everyone who reaches -admin-listen can read metrics and status", "addr", cfg.AdminListen.Addr)
	}
	status := registry.Status(m.shown, program.Version())
	metrics := append(m.metrics, h.Metrics(), server.Metrics(), telemetry.Build(program.Version()))
	if m.view != nil {
		metrics = append(metrics, telemetry.Run(m.view.Run), facts)
	}
	return cfg.AdminListen.Serve(admin.Handler(admin.Config{
		Status: func() any { return g.status(status(), m.replica) }, Ready: m.ready, Metrics: metrics,
	}), log)
}

// ready returns why nothing is served, or nil.
func (m *servedMirror) ready() error {
	if why := m.shown.Totals().Empty; why != "" {
		return errors.New(why)
	}
	return nil
}
