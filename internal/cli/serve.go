package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"

	"github.com/urfave/cli/v3"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/admin"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/flags"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/home"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/pages"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/program"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/publicurl"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/reader"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/registry"
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
		cfg.adminListen.Flag("admin-listen", "127.0.0.1:9091"),
	)
	return append(list, cfg.log.Flags()...)
}

// maxDeepCacheGB is more than any archive has.
const maxDeepCacheGB = 1 << 20

// check refuses what makes no sense, before anything is touched.
func (cfg *serveConfig) check() error {
	switch {
	case (cfg.tlsCert == "") != (cfg.tlsKey == ""):
		return flags.Usagef("-tls-cert and -tls-key belong together: provide both or neither")
	case cfg.maxConns < 0:
		return flags.Usagef("-max-conns is %d, want 0 (as many as fit) or more", cfg.maxConns)
	case cfg.cacheMB < 1:
		return flags.Usagef("-index-cache-mb is %d, want at least 1", cfg.cacheMB)
	case cfg.deepCacheGB < 0 || cfg.deepCacheGB > maxDeepCacheGB:
		return flags.Usagef("-deep-cache-gb is %d, want 0 (none) to %d", cfg.deepCacheGB, maxDeepCacheGB)
	}
	if _, err := publicurl.Parse(cfg.publicURL); err != nil {
		return flags.Usagef("-public-url: %w", err)
	}
	return cfg.log.Check()
}

// serve runs the command.
func (a *App) serve(ctx context.Context, cfg *serveConfig) (err error) {
	log := cfg.log.Logger(a.Stderr)
	cfg.dirs.Fill()
	if err := cfg.dirs.CheckState(); err != nil {
		return err
	}
	public, err := publicurl.Parse(cfg.publicURL)
	if err != nil {
		return err
	}
	deep := home.DeepLimits{CacheSize: cfg.deepCacheGB << 30, Packs: packed.UsualPacks, Metrics: packed.NewMetrics()}
	v, err := reader.Open(ctx, reader.Config{Dirs: cfg.dirs.Dirs, Deep: deep, Log: log})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, v.Close()) }()
	server, err := registry.Listen(registry.ServerConfig{
		Addr: cfg.listen, TLSCert: cfg.tlsCert, TLSKey: cfg.tlsKey, MaxConns: cfg.maxConns, Log: log,
	})
	if err != nil {
		return fmt.Errorf("%w (if another program has the port, give another one with -listen)", err)
	}
	pages := pages.New(pages.Config{Mirror: v, About: pages.AboutOf(v), PublicURL: public, Version: program.Version(), Log: log})
	defer pages.Close()
	server.OnShutdown(pages.Close)
	h := registry.New(registry.Config{Mirror: v, PublicURL: public, Pages: pages, CacheSize: cfg.cacheMB << 20, LogDir: cfg.dirs.Statements, Log: log})
	stopAdmin, err := cfg.serveAdmin(v, h, server, deep.Metrics, log)
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

func (cfg *serveConfig) serveAdmin(v *reader.View, h *registry.Handler, server *registry.Server, deep *packed.Metrics, log *slog.Logger) (stop func(), err error) {
	if host, _, err := net.SplitHostPort(cfg.adminListen.Addr); err == nil && host != "localhost" && !admin.IsLoopback(cfg.adminListen.Addr) {
		log.Warn("metrics and status can be read by whoever reaches -admin-listen", "addr", cfg.adminListen.Addr)
	}
	status := registry.Status(v, program.Version())
	return cfg.adminListen.Serve(admin.Handler(func() any { return status() }, h.Metrics(), server.Metrics(), deep), log)
}
