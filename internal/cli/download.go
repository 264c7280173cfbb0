package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/mirror"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store/bundled"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store/loose"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/upstream"
)

// downloadConfig is the flags of download; their Usage texts say what they mean.
type downloadConfig struct {
	indexDir, list, checksums string
	baseURL                   string
	includeYanked             bool
	part                      selectConfig
	limit                     int64
	out, manifest             string
	verifyExisting            bool
	allowMissing              bool
	acceptShrink              bool
	newCatalog                bool // no flag: reindex
	durability                string
	dryRun                    bool
	bundle                    bool
	bundleMode                string
	bundleSizeGB              int64
	bundlesOut                string
	listen                    string
	log                       logConfig
	progress                  progressConfig
	net                       netConfig
}

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
	stall               time.Duration // no flag: the demo is in a hurry
}

func downloadCommand(a *App, name string) *cli.Command {
	var cfg downloadConfig
	return &cli.Command{
		Name:         name,
		Usage:        "mirror what an index or a list names",
		ArgsUsage:    "(-index-dir DIR | -list FILE) [-out DIR] [-bundle] [options]",
		Description:  exitCodesHelp,
		Flags:        cfg.flags(),
		OnUsageError: onUsageError,
		Action: func(ctx context.Context, cmd *cli.Command) error {
			err := cfg.check(cmd.Args().Slice())
			if err == nil {
				err = a.download(ctx, &cfg)
			}
			if usage := new(usageError); errors.As(err, &usage) {
				usage.cmd = cmd
			}
			return err
		},
	}
}

func (cfg *downloadConfig) flags() []cli.Flag {
	flags := []cli.Flag{
		&cli.StringFlag{Name: "index-dir", Usage: "local crates.io-index: a checkout, a bare repository or a plain `DIR`", Destination: &cfg.indexDir, TakesFile: true},
		&cli.StringFlag{Name: "list", Usage: "newline-delimited URLs in `FILE` instead of an index; blank lines and # comments are skipped", Destination: &cfg.list, TakesFile: true},
		&cli.StringFlag{Name: "checksums", Usage: "JSONL `FILE` of {\"url\",\"sha256\"}; overrides or supplies checksums", Destination: &cfg.checksums, TakesFile: true},
		&cli.StringFlag{Name: "crates-base-url", Value: "https://static.crates.io/crates", Usage: "crate files are at `URL`/{name}/{name}-{version}.crate", Destination: &cfg.baseURL},
		&cli.BoolFlag{Name: "include-yanked", Usage: "mirror yanked versions too (builds with a Cargo.lock need them)", Destination: &cfg.includeYanked},
		&cli.Int64Flag{Name: "limit", Usage: "at most `N` records, 0 = all", Destination: &cfg.limit},
		&cli.StringFlag{Name: "out", Value: "out", Usage: "`DIR` of the crate files", Destination: &cfg.out, TakesFile: true},
		&cli.StringFlag{Name: "manifest", Value: "manifest.jsonl", Usage: "audit log of the run in `FILE`; an earlier one is moved aside", Destination: &cfg.manifest, TakesFile: true},
		&cli.BoolFlag{Name: "verify-existing", Usage: "hash files that are held again instead of trusting the catalog", Destination: &cfg.verifyExisting},
		&cli.BoolFlag{Name: "allow-missing", Usage: "versions that upstream refuses (403, 404, 410, 451) do not make the run incomplete", Destination: &cfg.allowMissing},
		&cli.BoolFlag{Name: "accept-shrink", Usage: "go on although many crates have vanished from the index, or it is older than the one mirrored last", Destination: &cfg.acceptShrink},
		&cli.StringFlag{Name: "durability", Value: "batch", Usage: "when bytes are forced to the disk: `file|batch|none`", Destination: &cfg.durability},
		&cli.BoolFlag{Name: "dry-run", Usage: "say what would be done and touch nothing", Destination: &cfg.dryRun},
		&cli.BoolFlag{Name: "bundle", Usage: "put crates into bundles: .tar.zst files of many crates each; those that are held loose are put there too, not fetched", Destination: &cfg.bundle},
		&cli.StringFlag{Name: "bundle-mode", Value: "only", Usage: "`only|add`: keep the bundled copy alone, or the loose file too", Destination: &cfg.bundleMode},
		&cli.Int64Flag{Name: "bundle-size-gb", Value: 8, Usage: "a bundle takes no more once it has `N` GB", Destination: &cfg.bundleSizeGB},
		&cli.StringFlag{Name: "bundles-out", Value: "bundles", Usage: "`DIR` of the bundles, their manifests and their catalog", Destination: &cfg.bundlesOut},
		&cli.StringFlag{Name: "listen", Value: ":9090", Usage: "`ADDR` of /metrics, /api/status and /debug/pprof/ (loopback clients only); empty = off", Destination: &cfg.listen},
	}
	flags = append(flags, cfg.part.flags()...)
	flags = append(flags, cfg.net.flags()...)
	flags = append(flags, cfg.log.flags()...)
	return append(flags, cfg.progress.flags()...)
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
		&cli.StringFlag{Name: "contact", Usage: "e-mail address or URL for the User-Agent, so that crates.io can reach `WHO` runs this", Destination: &cfg.contact},
		&cli.IntFlag{Name: "max-conns-per-host", Usage: "0 = auto", Destination: &cfg.maxConnsPerHost},
		&cli.IntFlag{Name: "max-idle-conns", Usage: "0 = auto", Destination: &cfg.maxIdleConns},
		&cli.IntFlag{Name: "max-idle-per-host", Usage: "0 = auto", Destination: &cfg.maxIdlePerHost},
		&cli.DurationFlag{Name: "idle-timeout", Usage: "0 = auto", Destination: &cfg.idleTimeout},
		&cli.DurationFlag{Name: "tls-timeout", Usage: "0 = auto", Destination: &cfg.tlsTimeout},
	}
}

var durabilities = map[string]loose.Durability{"batch": loose.Batch, "file": loose.PerFile, "none": loose.None}

// check refuses what makes no sense, before anything is touched.
func (cfg *downloadConfig) check(args []string) error {
	if len(args) > 0 {
		return usagef("unexpected argument %q", args[0])
	}
	if (cfg.indexDir == "") == (cfg.list == "") {
		return usagef("provide one of -index-dir and -list")
	}
	if cfg.indexDir != "" {
		if info, err := os.Stat(cfg.indexDir); err != nil || !info.IsDir() {
			return usagef("-index-dir %s is not a directory", cfg.indexDir)
		}
	}
	if cfg.bundleMode != "only" && cfg.bundleMode != "add" {
		return usagef("-bundle-mode %q is neither only nor add", cfg.bundleMode)
	}
	if cfg.bundleSizeGB < 1 || cfg.bundleSizeGB > maxBundleGB {
		return usagef("-bundle-size-gb is %d, want 1 to %d", cfg.bundleSizeGB, maxBundleGB)
	}
	if _, ok := durabilities[cfg.durability]; !ok {
		return usagef("-durability %q is none of file, batch, none", cfg.durability)
	}
	if cfg.limit < 0 {
		return usagef("-limit is %d, want 0 (all) or more", cfg.limit)
	}
	if cfg.list != "" && cfg.part.chooses() {
		return usagef("-crates, -lockfile and -latest choose from an index: they need -index-dir, not -list")
	}
	return errors.Join(checkBaseURL(&cfg.baseURL), cfg.part.check(), cfg.net.check(), cfg.log.check(), cfg.progress.check())
}

// checkBaseURL checks -crates-base-url, and takes slashes from its end.
func checkBaseURL(base *string) error {
	u, err := url.Parse(*base)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
		return usagef("-crates-base-url %q is not an http or https URL", *base)
	}
	*base = strings.TrimRight(*base, "/")
	return nil
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
	return nil
}

// maxBundleGB is more than any file system or medium takes well in one file.
const maxBundleGB = 1 << 14

// maxConcurrency keeps a slip of the hand from becoming an attack on upstream.
const maxConcurrency = 4096

func (a *App) upstream(cfg *netConfig, log *slog.Logger) (*upstream.Client, error) {
	return upstream.New(upstream.Config{
		Concurrency: cfg.concurrency, Timeout: time.Duration(cfg.timeoutSeconds) * time.Second, StallTimeout: cfg.stall,
		Attempts: max(1, cfg.attempts), RetryBase: cfg.retryBase, RetryMax: cfg.retryMax, MaxSize: cfg.maxFileMB << 20,
		HTTP: cfg.protocol, UserAgent: userAgent(cfg.contact), Dial: a.Dial, Log: log,
		MaxConnsPerHost: cfg.maxConnsPerHost, MaxIdleConns: cfg.maxIdleConns, MaxIdleConnsPerHost: cfg.maxIdlePerHost,
		IdleTimeout: cfg.idleTimeout, TLSTimeout: cfg.tlsTimeout,
	})
}

// download runs the command.
func (a *App) download(ctx context.Context, cfg *downloadConfig) error {
	show := newDisplay(a.Stderr, &cfg.progress)
	log := cfg.log.logger(show)
	if err := cfg.net.fitOpenFiles(log); err != nil {
		return err
	}
	source, done, err := cfg.source(ctx, show, log)
	if err != nil {
		return err
	}
	defer done()
	job := mirror.Config{
		Source: source, BaseURL: cfg.baseURL, Out: cfg.out, IncludeYanked: cfg.includeYanked, AcceptShrink: cfg.acceptShrink,
		BundlesOut: cfg.bundlesOut, Bundle: cfg.bundle, KeepLoose: cfg.bundleMode == "add",
		VerifyExisting: cfg.verifyExisting, Limit: cfg.limit, Concurrency: cfg.net.concurrency,
		Log: log, Progress: mirror.NewProgress(),
	}
	if cfg.dryRun {
		return a.dryRun(ctx, cfg, job)
	}
	return a.mirror(ctx, cfg, job, show)
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

// source opens what names the crates.
func (cfg *downloadConfig) source(ctx context.Context, show *display, log *slog.Logger) (_ mirror.Source, done func(), err error) {
	var sums mirror.Checksums
	if cfg.checksums != "" {
		f, err := os.Open(cfg.checksums)
		if err != nil {
			return nil, nil, err
		}
		defer f.Close()
		if sums, err = mirror.ReadChecksums(f, cfg.checksums); err != nil {
			return nil, nil, err
		}
	}
	if cfg.list == "" {
		ix, err := index.Open(ctx, cfg.indexDir, index.Options{Log: log})
		if err != nil {
			return nil, nil, err
		}
		source, err := cfg.part.source(ctx, ix, sums, cfg.includeYanked, show, log)
		if err != nil {
			return nil, nil, errors.Join(err, ix.Close())
		}
		return source, func() { ix.Close() }, nil
	}
	f, err := os.Open(cfg.list)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	entries, bad, err := mirror.ReadList(f, cfg.list, sums)
	return mirror.FromList(entries, bad), func() {}, err
}

// dryRun plans against what is there, and touches nothing.
func (a *App) dryRun(ctx context.Context, cfg *downloadConfig, job mirror.Config) error {
	var what mirror.Held
	cat, err := catalog.OpenReadOnly(catalogPath(cfg.out))
	if err == nil {
		defer cat.Close()
		what.Catalog = cat
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	bundles, err := openIfThere(cfg.bundlesOut)
	if err != nil {
		return err
	}
	if bundles != nil {
		defer bundles.Close()
		job.OldBundles = bundles
	}
	out, err := openIfThere(cfg.out)
	if err != nil {
		return err
	}
	if out != nil {
		defer out.Close()
		files := loose.OpenReadOnly(out)
		what.Store = files
		if bundles != nil {
			s := bundled.OpenReadOnly(bundles, files)
			defer s.Close()
			what.Store = s
		}
	}
	plan, err := mirror.DryRun(ctx, job, what)
	if err != nil {
		return err
	}
	fmt.Fprintf(a.Stdout, "dry-run ok: urls=%d concurrency=%d out=%s verify-existing=%t bundle-mode=%s\n",
		plan.Versions, cfg.net.concurrency, cfg.out, cfg.verifyExisting, cfg.bundleMode)
	printPlan(a.Stdout, plan)
	var errs []error
	if plan.Violated > 0 {
		errs = append(errs, &integrityError{fmt.Sprintf("%d versions have another checksum in the index than in a lock file; they are named above", plan.Violated)})
	}
	if plan.Bad > 0 {
		errs = append(errs, &incompleteError{fmt.Sprintf("%d entries cannot be mirrored; they are named above", plan.Bad)})
	}
	return errors.Join(errs...)
}
