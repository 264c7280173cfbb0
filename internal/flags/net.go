package flags

import (
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/admin"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/upstream"
)

// Net has the flags about requests.
type Net struct {
	Concurrency         int
	TimeoutSeconds      int
	Attempts            int
	RetryBase, RetryMax time.Duration
	MaxFileMB           int64
	Protocol, Contact   string
	maxConnsPerHost     int
	maxIdleConns        int
	maxIdlePerHost      int
	idleTimeout         time.Duration
	tlsTimeout          time.Duration
	allowHosts          []string
	tokenFiles          []string          // [HOST=]FILE
	token               string            // for upstream; Check reads it from a file or the environment
	tokens              map[string]string // by host; Check reads them
	maxRate             string
	maxRequests         float64
	rates               *upstream.Rates
	Stall               time.Duration // no flag; the demo sets it to be faster
}

// Flags returns the flags.
func (cfg *Net) Flags() []cli.Flag {
	return under(requests,
		&cli.IntFlag{Name: "concurrency", Value: 128, Usage: "run at most `N` downloads at a time", Destination: &cfg.Concurrency},
		&cli.IntFlag{Name: "timeout", Value: 300, Usage: "give up a request after `SECONDS`", Destination: &cfg.TimeoutSeconds},
		&cli.IntFlag{Name: "retries", Value: 6, Usage: "make at most `N` attempts when errors are transient", Destination: &cfg.Attempts},
		&cli.DurationFlag{Name: "retry-base", Value: 500 * time.Millisecond, Usage: "wait up to this long before the first retry; the limit doubles each time", Destination: &cfg.RetryBase},
		&cli.DurationFlag{Name: "retry-max", Value: 30 * time.Second, Usage: "never wait longer than this before a retry", Destination: &cfg.RetryMax},
		&cli.Int64Flag{Name: "max-file-mb", Value: 512, Usage: "refuse crate files larger than `N` MiB", Destination: &cfg.MaxFileMB},
		&cli.StringFlag{Name: "http", Value: "auto", Usage: "`auto|1|2`: HTTP version", Destination: &cfg.Protocol},
		&cli.StringSliceFlag{Name: "allow-host", Usage: "allow redirects to `HOST` (or HOST:PORT), even in a private network; repeat it, or separate hosts with commas", Destination: &cfg.allowHosts},
		&cli.StringSliceFlag{Name: "upstream-token-file", Usage: "send the token in `FILE` to upstream, but not to hosts that it redirects to (default: $" + tokenVariable + "). HOST=FILE: send it only to that host, of crates or of a sparse index. A token that contains a blank, \"Basic dXNlcjpw\", is sent unchanged", Destination: &cfg.tokenFiles, TakesFile: true},
		&cli.StringFlag{Name: "max-rate", Usage: "download at most `SIZE` a second, such as 20MB", DefaultText: "unlimited", Destination: &cfg.maxRate},
		&cli.FloatFlag{Name: "max-requests", Usage: "send at most `N` requests a second to each upstream host; 0 = unlimited", Destination: &cfg.maxRequests},
		&cli.StringFlag{Name: "contact", Sources: cli.EnvVars("CLONECRATESIO_CONTACT"), Usage: "`WHO`: e-mail address or URL to send in the User-Agent, so that crates.io can reach you", Destination: &cfg.Contact},
		&cli.IntFlag{Name: "max-conns-per-host", Usage: "open at most `N` connections to a host, 0 = auto", Destination: &cfg.maxConnsPerHost},
		&cli.IntFlag{Name: "max-idle-conns", Usage: "keep at most `N` idle connections open, 0 = auto", Destination: &cfg.maxIdleConns},
		&cli.IntFlag{Name: "max-idle-per-host", Usage: "keep at most `N` of them to a host, 0 = auto", Destination: &cfg.maxIdlePerHost},
		&cli.DurationFlag{Name: "idle-timeout", Usage: "close connections that were idle this long, 0 = auto", Destination: &cfg.idleTimeout},
		&cli.DurationFlag{Name: "tls-timeout", Usage: "give up a TLS handshake after this long, 0 = auto", Destination: &cfg.tlsTimeout},
	)
}

// Check rejects invalid values, and reads the token.
func (cfg *Net) Check() error {
	switch {
	case cfg.Concurrency < 1 || cfg.Concurrency > MaxConcurrency:
		return Usagef("-concurrency is %d, want 1 to %d", cfg.Concurrency, MaxConcurrency)
	case cfg.TimeoutSeconds < 1:
		return Usagef("-timeout is %d seconds, want at least 1", cfg.TimeoutSeconds)
	case cfg.Attempts < 0:
		return Usagef("-retries is %d, want 0 or more", cfg.Attempts)
	case cfg.RetryBase <= 0 || cfg.RetryMax < cfg.RetryBase:
		return Usagef("-retry-base %v and -retry-max %v: want 0 < base <= max", cfg.RetryBase, cfg.RetryMax)
	case cfg.MaxFileMB < 1:
		return Usagef("-max-file-mb is %d, want at least 1", cfg.MaxFileMB)
	case cfg.Protocol != "auto" && cfg.Protocol != "1" && cfg.Protocol != "2":
		return Usagef("-http %q is none of auto, 1, 2", cfg.Protocol)
	case cfg.maxConnsPerHost < 0 || cfg.maxIdleConns < 0 || cfg.maxIdlePerHost < 0 || cfg.idleTimeout < 0 || cfg.tlsTimeout < 0:
		return Usagef("transport tuning wants 0 (auto) or more")
	case strings.ContainsFunc(cfg.Contact, func(r rune) bool { return r < ' ' || r > '~' }):
		return Usagef("-contact %q is not printable ASCII", cfg.Contact)
	}
	for _, host := range cfg.allowHosts {
		if err := upstream.CheckHost(host); err != nil {
			return Usagef("-allow-host: %w", err)
		}
	}
	var bytes int64
	if cfg.maxRate != "" {
		var err error
		if bytes, err = ParseSize(cfg.maxRate); err != nil || bytes < minRate {
			return Usagef("-max-rate %s: want a size of %d bytes at least, such as 20MB", cfg.maxRate, minRate)
		}
	}
	if cfg.maxRequests < 0 || cfg.maxRequests > 1e6 {
		return Usagef("-max-requests is %v, want 0 (no cap) or more", cfg.maxRequests)
	}
	cfg.rates = upstream.NewRates(bytes, cfg.maxRequests)
	return cfg.readTokens()
}

// minRate is the minimum of -max-rate, in bytes per second: at lower rates connections time
// out before files are complete.
const minRate = 1 << 10

// MaxConcurrency keeps a typing error from becoming an attack on upstream.
const MaxConcurrency = 4096

// Client returns the configuration of an upstream client. The caller sets AllowMissing,
// Dial and Log.
func (cfg *Net) Client(userAgent string) upstream.Config {
	return upstream.Config{
		Concurrency: cfg.Concurrency, Timeout: time.Duration(cfg.TimeoutSeconds) * time.Second, StallTimeout: cfg.Stall,
		Attempts: max(1, cfg.Attempts), RetryBase: cfg.RetryBase, RetryMax: cfg.RetryMax, MaxSize: cfg.MaxFileMB << 20,
		HTTP: cfg.Protocol, UserAgent: userAgent, AllowHosts: cfg.allowHosts, Token: cfg.token, Tokens: cfg.tokens, Rates: cfg.rates,
		MaxConnsPerHost: cfg.maxConnsPerHost, MaxIdleConns: cfg.maxIdleConns, MaxIdleConnsPerHost: cfg.maxIdlePerHost,
		IdleTimeout: cfg.idleTimeout, TLSTimeout: cfg.tlsTimeout,
	}
}

// FitOpenFiles lowers the concurrency to fit the limit of open files: each download needs a
// connection and a file, and the catalog, the index and bundles need some more (C15). It
// returns an error if the limit is too low for a single download.
func (cfg *Net) FitOpenFiles(log *slog.Logger) error {
	// Folders opened on the way to a file, index files and bundles being read, and the files
	// of the database.
	others := 48 + 14*runtime.GOMAXPROCS(0)
	limit := admin.OpenFiles()
	if limit < 0 {
		return nil
	}
	most := (limit - others) / 2
	if most < 1 {
		return fmt.Errorf("this process may have only %d files open, it needs at least %d: raise the limit (ulimit -n)", limit, others+2)
	}
	if cfg.Concurrency > most {
		log.Warn("fewer downloads at a time: this process may not have more files open (ulimit -n)", "concurrency", most, "open_files", limit)
		cfg.Concurrency = most
	}
	return nil
}

// HasToken reports whether there is a token for upstream. Call it after Check.
func (cfg *Net) HasToken() bool { return cfg.token != "" }
