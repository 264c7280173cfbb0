package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/urfave/cli/v3"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/admin"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/flags"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/home"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/pages"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/peer"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/program"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/publicurl"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/reader"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/registry"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/replica"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store/packed"
)

// serveConfig is the flags of serve; their Usage texts say what they mean.
type serveConfig struct {
	dirs            flags.Dirs
	listen          string
	publicURL       string
	tlsCert, tlsKey string
	maxConns        int
	cacheMB         int64
	deepCacheGB     int64
	store           flags.Store
	fetchedCacheGB  int64
	adminListen     flags.Listen
	log             flags.Log
}

func serveCommand(a *App) *cli.Command {
	var cfg serveConfig
	return &cli.Command{
		Name:         "serve",
		Usage:        "let cargo build from the mirror, and people look at it",
		Description:  helpText("serve", "exit-codes", "serve-end"),
		Flags:        cfg.flags(),
		OnUsageError: program.OnUsageError,
		Action:       program.Action(cfg.check, func(ctx context.Context) error { return a.serve(ctx, &cfg) }),
	}
}

func (cfg *serveConfig) flags() []cli.Flag {
	list := append(cfg.dirs.Flags(), cfg.dirs.LogDirFlag(),
		&cli.StringFlag{Name: "listen", Value: "127.0.0.1:8080", Usage: "serve at `ADDR`; :8080 is every address of this machine", Destination: &cfg.listen},
		&cli.StringFlag{Name: "public-url", Usage: "clients reach this at `URL`, with a path if there is one, as behind a proxy; default: the address at which each of them has connected", Destination: &cfg.publicURL},
		&cli.StringFlag{Name: "tls-cert", Usage: "serve HTTPS with the certificate chain in the PEM `FILE`, read again when it changes", Destination: &cfg.tlsCert, TakesFile: true},
		&cli.StringFlag{Name: "tls-key", Usage: "its private key, in the PEM `FILE`", Destination: &cfg.tlsKey, TakesFile: true},
		&cli.IntFlag{Name: "max-conns", Usage: "at most `N` connections at a time, others wait; 0 = as many as the limit of open files allows", Destination: &cfg.maxConns},
		&cli.Int64Flag{Name: "index-cache-mb", Value: 64, Usage: "keep up to `N` MiB of index files in memory", Destination: &cfg.cacheMB},
		&cli.Int64Flag{Name: "deep-cache-gb", Value: 5, Usage: "keep up to `N` GiB of crates that were rebuilt from the deep archive, in files; 0 = none", Destination: &cfg.deepCacheGB},
		cfg.store.Flag("be a replica, in -mirror, of the mirror in this bucket"),
		&cli.Int64Flag{Name: "cache-gb", Value: 10, Usage: "with -store, keep up to `N` GiB of crates that were fetched from the bucket, in files; 0 = none", Destination: &cfg.fetchedCacheGB},
		cfg.adminListen.Flag("admin-listen", "127.0.0.1:9091"),
	)
	return append(list, cfg.log.Flags()...)
}

// maxCacheGB is more than any mirror has.
const maxCacheGB = 1 << 20

// check refuses what makes no sense, before anything is touched.
func (cfg *serveConfig) check() error {
	switch {
	case (cfg.tlsCert == "") != (cfg.tlsKey == ""):
		return flags.Usagef("-tls-cert and -tls-key belong together: provide both or neither")
	case cfg.maxConns < 0:
		return flags.Usagef("-max-conns is %d, want 0 (as many as fit) or more", cfg.maxConns)
	case cfg.cacheMB < 1:
		return flags.Usagef("-index-cache-mb is %d, want at least 1", cfg.cacheMB)
	case cfg.deepCacheGB < 0 || cfg.deepCacheGB > maxCacheGB:
		return flags.Usagef("-deep-cache-gb is %d, want 0 (none) to %d", cfg.deepCacheGB, maxCacheGB)
	case cfg.fetchedCacheGB < 0 || cfg.fetchedCacheGB > maxCacheGB:
		return flags.Usagef("-cache-gb is %d, want 0 (none) to %d", cfg.fetchedCacheGB, maxCacheGB)
	}
	if _, err := publicurl.Parse(cfg.publicURL); err != nil {
		return flags.Usagef("-public-url: %w", err)
	}
	return errors.Join(cfg.log.Check(), cfg.store.Check())
}

// serve runs the command.
func (a *App) serve(ctx context.Context, cfg *serveConfig) (err error) {
	log := cfg.log.Logger(a.Stderr)
	cfg.dirs.Fill()
	public, err := publicurl.Parse(cfg.publicURL)
	if err != nil {
		return err
	}
	m, err := a.openMirror(ctx, cfg, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.Close()) }()
	v := m.view
	server, err := registry.Listen(registry.ServerConfig{
		Addr: cfg.listen, TLSCert: cfg.tlsCert, TLSKey: cfg.tlsKey, MaxConns: cfg.maxConns, Log: log,
	})
	if err != nil {
		return fmt.Errorf("%w (if another program has the port, give another one with -listen)", err)
	}
	pages := pages.New(pages.Config{Mirror: v, About: pages.AboutOf(v), PublicURL: public, Version: program.Version(), Log: log})
	defer pages.Close()
	server.OnShutdown(pages.Close)
	h := registry.New(registry.Config{Mirror: v, PublicURL: public, Pages: pages, CacheSize: cfg.cacheMB << 20, LogDir: cfg.dirs.Statements, Peers: peer.Handler(m.peers), Log: log})
	stopAdmin, err := cfg.serveAdmin(m, h, server, log)
	if err != nil {
		return errors.Join(err, server.Close())
	}
	defer stopAdmin()
	log.Info("serving", "addr", server.Addr().String(), "max_conns", server.MaxConns(), "crates", cfg.dirs.Crates, "bundles", cfg.dirs.Bundles, "index", cfg.dirs.Index)
	if public.IsZero() && server.EveryAddress() {
		log.Info("config.json names the address at which each client has connected; behind a proxy or a mapped port give -public-url")
	}
	if err := cfg.dirs.CheckCatalog(); err != nil { // a run that is making one may be on its way
		log.Warn("nothing is served yet: "+err.Error(), "next", program.Hint(err))
	}
	fmt.Fprint(a.Stdout, publicurl.CargoConfig(publicurl.Index(server.ClientURL(public))))
	return server.Serve(ctx, h)
}

// servedMirror is a mirror that is open to be served.
type servedMirror struct {
	view    *reader.View
	replica *replica.Replica // nil: it is no replica
	peers   peer.Source
	metrics []prometheus.Collector
	home.Closers
}

// openMirror opens what is served.
func (a *App) openMirror(ctx context.Context, cfg *serveConfig, log *slog.Logger) (_ *servedMirror, err error) {
	m := &servedMirror{peers: peer.NewFolder(&cfg.dirs.Dirs)}
	defer func() {
		if err != nil {
			err = errors.Join(err, m.Close())
		}
	}()
	view := reader.Config{Dirs: cfg.dirs.Dirs, Limits: home.Limits{DeepCache: cfg.deepCacheGB << 30, Packs: packed.UsualPacks, Deep: packed.NewMetrics()}, Log: log}
	m.metrics = append(m.metrics, view.Limits.Deep)
	if cfg.store.URL != "" {
		if err := a.follow(ctx, cfg, m, &view); err != nil {
			return nil, err
		}
	} else if err := errors.Join(cfg.dirs.CheckState(), cfg.dirs.CheckHere()); err != nil {
		return nil, err
	}
	if m.view, err = reader.Open(ctx, view); err != nil {
		return nil, err
	}
	m.Add(m.view.Close)
	return m, nil
}

func (cfg *serveConfig) serveAdmin(m *servedMirror, h *registry.Handler, server *registry.Server, log *slog.Logger) (stop func(), err error) {
	if host, _, err := net.SplitHostPort(cfg.adminListen.Addr); err == nil && host != "localhost" && !admin.IsLoopback(cfg.adminListen.Addr) {
		log.Warn("metrics and status can be read by whoever reaches -admin-listen", "addr", cfg.adminListen.Addr)
	}
	status := registry.Status(m.view, program.Version())
	said := func() any { return status() }
	if m.replica != nil {
		said = func() any { return replicaStatus{status(), m.replica.Summary()} }
	}
	return cfg.adminListen.Serve(admin.Handler(said, append(m.metrics, h.Metrics(), server.Metrics())...), log)
}
