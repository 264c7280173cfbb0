package cli

import (
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/upstream"
)

// netConfig is the flags about requests.
type netConfig struct {
	concurrency         int
	timeoutSeconds      int
	attempts            int
	retryBase, retryMax time.Duration
	maxFileMB           int64
	protocol, contact   string
	maxConnsPerHost     int
	maxIdleConns        int
	maxIdlePerHost      int
	idleTimeout         time.Duration
	tlsTimeout          time.Duration
	allowHosts          []string
	tokenFile, token    string        // check reads the token, out of the file or the environment
	stall               time.Duration // no flag: the demo is in a hurry
}

func (cfg *netConfig) flags() []cli.Flag {
	return []cli.Flag{
		&cli.IntFlag{Name: "concurrency", Value: 128, Usage: "at most `N` downloads at a time", Destination: &cfg.concurrency},
		&cli.IntFlag{Name: "timeout", Value: 300, Usage: "for one request, in `SECONDS`", Destination: &cfg.timeoutSeconds},
		&cli.IntFlag{Name: "retries", Value: 6, Usage: "at most `N` attempts for transient errors", Destination: &cfg.attempts},
		&cli.DurationFlag{Name: "retry-base", Value: 500 * time.Millisecond, Usage: "first backoff; it doubles, with full jitter", Destination: &cfg.retryBase},
		&cli.DurationFlag{Name: "retry-max", Value: 30 * time.Second, Usage: "longest backoff", Destination: &cfg.retryMax},
		&cli.Int64Flag{Name: "max-file-mb", Value: 512, Usage: "refuse crate files of more than `N` MiB", Destination: &cfg.maxFileMB},
		&cli.StringFlag{Name: "http", Value: "auto", Usage: "protocol: `auto|1|2`", Destination: &cfg.protocol},
		&cli.StringSliceFlag{Name: "allow-host", Usage: "upstream may redirect to `HOST` (or HOST:PORT) too, also in a private network; repeat it, or put commas between", Destination: &cfg.allowHosts},
		&cli.StringFlag{Name: "upstream-token-file", Usage: "send the token in `FILE` to upstream, and to no host that it redirects to (default: that in $" + tokenVariable + ")", Destination: &cfg.tokenFile, TakesFile: true},
		&cli.StringFlag{Name: "contact", Usage: "e-mail address or URL for the User-Agent, so that crates.io can reach `WHO` runs this", Destination: &cfg.contact},
		&cli.IntFlag{Name: "max-conns-per-host", Usage: "0 = auto", Destination: &cfg.maxConnsPerHost},
		&cli.IntFlag{Name: "max-idle-conns", Usage: "0 = auto", Destination: &cfg.maxIdleConns},
		&cli.IntFlag{Name: "max-idle-per-host", Usage: "0 = auto", Destination: &cfg.maxIdlePerHost},
		&cli.DurationFlag{Name: "idle-timeout", Usage: "0 = auto", Destination: &cfg.idleTimeout},
		&cli.DurationFlag{Name: "tls-timeout", Usage: "0 = auto", Destination: &cfg.tlsTimeout},
	}
}

func (cfg *netConfig) check() error {
	switch {
	case cfg.concurrency < 1 || cfg.concurrency > maxConcurrency:
		return usagef("-concurrency is %d, want 1 to %d", cfg.concurrency, maxConcurrency)
	case cfg.timeoutSeconds < 1:
		return usagef("-timeout is %d seconds, want at least 1", cfg.timeoutSeconds)
	case cfg.attempts < 0:
		return usagef("-retries is %d, want 0 or more", cfg.attempts)
	case cfg.retryBase <= 0 || cfg.retryMax < cfg.retryBase:
		return usagef("-retry-base %v and -retry-max %v: want 0 < base <= max", cfg.retryBase, cfg.retryMax)
	case cfg.maxFileMB < 1:
		return usagef("-max-file-mb is %d, want at least 1", cfg.maxFileMB)
	case cfg.protocol != "auto" && cfg.protocol != "1" && cfg.protocol != "2":
		return usagef("-http %q is none of auto, 1, 2", cfg.protocol)
	case cfg.maxConnsPerHost < 0 || cfg.maxIdleConns < 0 || cfg.maxIdlePerHost < 0 || cfg.idleTimeout < 0 || cfg.tlsTimeout < 0:
		return usagef("transport tuning wants 0 (auto) or more")
	case strings.ContainsFunc(cfg.contact, func(r rune) bool { return r < ' ' || r > '~' }):
		return usagef("-contact %q is not printable ASCII", cfg.contact)
	}
	for _, host := range cfg.allowHosts {
		if err := upstream.CheckHost(host); err != nil {
			return usagef("-allow-host: %w", err)
		}
	}
	return cfg.readToken()
}

// maxConcurrency keeps a slip of the hand from becoming an attack on upstream.
const maxConcurrency = 4096

func (a *App) upstream(cfg *netConfig, allowMissing bool, log *slog.Logger) (*upstream.Client, error) {
	return upstream.New(upstream.Config{
		Concurrency: cfg.concurrency, Timeout: time.Duration(cfg.timeoutSeconds) * time.Second, StallTimeout: cfg.stall,
		Attempts: max(1, cfg.attempts), RetryBase: cfg.retryBase, RetryMax: cfg.retryMax, MaxSize: cfg.maxFileMB << 20,
		HTTP: cfg.protocol, UserAgent: userAgent(cfg.contact), AllowHosts: cfg.allowHosts, Token: cfg.token, AllowMissing: allowMissing, Dial: a.Dial, Log: log,
		MaxConnsPerHost: cfg.maxConnsPerHost, MaxIdleConns: cfg.maxIdleConns, MaxIdleConnsPerHost: cfg.maxIdlePerHost,
		IdleTimeout: cfg.idleTimeout, TLSTimeout: cfg.tlsTimeout,
	})
}

// fitOpenFiles lowers the concurrency to what the process may have open: a
// connection and a file for each download, and some for everything else: the
// catalog, the index, bundles that are read from (C15).
func (cfg *netConfig) fitOpenFiles(log *slog.Logger) error {
	// Folders that are opened on the way to a file, index files being read,
	// bundles that are read from, and what the database keeps open.
	others := 48 + 14*runtime.GOMAXPROCS(0)
	limit := durable.OpenFiles()
	if limit < 0 {
		return nil
	}
	most := (limit - others) / 2
	if most < 1 {
		return fmt.Errorf("this process may have only %d files open, it needs at least %d: raise the limit (ulimit -n)", limit, others+2)
	}
	if cfg.concurrency > most {
		log.Warn("fewer downloads at a time: this process may not have more files open (ulimit -n)", "concurrency", most, "open_files", limit)
		cfg.concurrency = most
	}
	return nil
}
