package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/urfave/cli/v3"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/console"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/flags"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/home"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/plan"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/program"
)

// downloadConfig holds the flags of download. The Usage texts document them.
type downloadConfig struct {
	indexDir, list, checksums string
	includeYanked             bool
	part                      flags.Part
	limit                     int64
	dryRun                    bool
	flags.Run
}

func downloadCommand(a *App, name string) *cli.Command {
	var cfg downloadConfig
	return &cli.Command{
		Name:         name,
		Usage:        "download the crates that an index or a list names",
		ArgsUsage:    "(-index-dir DIR | -list FILE) [-out DIR] [-bundle] [options]",
		Description:  exitCodesHelp,
		Flags:        cfg.flags(),
		OnUsageError: program.OnUsageError,
		Action:       program.Action(cfg.check, func(ctx context.Context) error { return a.download(ctx, &cfg) }),
	}
}

func (cfg *downloadConfig) flags() []cli.Flag {
	list := []cli.Flag{
		flags.IndexDir(&cfg.indexDir, "read the index in `DIR`: a checkout, a bare repository or a plain folder"),
		&cli.StringFlag{Name: "list", Usage: "download the URLs in `FILE`, one a line, instead of an index; blank lines and # comments are skipped", Destination: &cfg.list, TakesFile: true},
		&cli.StringFlag{Name: "checksums", Usage: "take checksums from `FILE`, lines of {\"url\",\"sha256\"}; they override those of the index", Destination: &cfg.checksums, TakesFile: true},
		&cli.BoolFlag{Name: "include-yanked", Usage: "also mirror yanked versions (builds with a Cargo.lock need them)", Destination: &cfg.includeYanked},
		&cli.Int64Flag{Name: "limit", Usage: "process at most `N` versions, 0 = all", Destination: &cfg.limit},
		&cli.StringFlag{Name: "out", Value: "out", Usage: "store crate files in `DIR`", Destination: &cfg.Home.Crates, TakesFile: true},
		&cli.StringFlag{Name: "manifest", Value: home.ManifestName, Usage: "write the audit log of the run to `FILE`, after moving an earlier one aside; /dev/null, /dev/stdout and FIFOs work", Destination: &cfg.Home.Manifest, TakesFile: true},
		&cli.BoolFlag{Name: "dry-run", Usage: "print what would be done, and change nothing", Destination: &cfg.dryRun},
		&cli.StringFlag{Name: "bundles-out", Value: home.BundlesName, Usage: "store bundles, their manifests and their catalog in `DIR`", Destination: &cfg.Home.Bundles, TakesFile: true},
	}
	list = append(list, cfg.part.Flags()...)
	return append(list, cfg.Run.Flags()...)
}

// check rejects contradictory flags before anything is changed.
func (cfg *downloadConfig) check() error {
	if (cfg.indexDir == "") == (cfg.list == "") {
		return flags.Usagef("provide one of -index-dir and -list")
	}
	if cfg.indexDir != "" {
		if info, err := os.Stat(cfg.indexDir); err != nil || !info.IsDir() {
			return flags.Usagef("-index-dir %s is not a directory", cfg.indexDir)
		}
	}
	if cfg.limit < 0 {
		return flags.Usagef("-limit is %d, want 0 (all) or more", cfg.limit)
	}
	if cfg.list != "" && cfg.part.Chooses() {
		return flags.Usagef("-crates, -lockfile and -latest choose from an index: they need -index-dir, not -list")
	}
	if cfg.list != "" && cfg.Origin.Base == flags.Auto {
		return flags.Usagef("-crates-base-url auto asks the index: it needs -index-dir, not -list")
	}
	if err := errors.Join(cfg.part.Check(), cfg.Run.Check()); err != nil {
		return err
	}
	if cfg.list != "" && cfg.Net.HasToken() {
		return flags.Usagef("a token goes to the one host of -crates-base-url, and a list may name any: -list and a token do not go together")
	}
	return nil
}

// download downloads the versions that the index or the list names.
func (a *App) download(ctx context.Context, cfg *downloadConfig) error {
	show, log := cfg.Progress.Terminal(a.Stderr, &cfg.Log)
	if err := cfg.Net.FitOpenFiles(log); err != nil {
		return err
	}
	source, done, err := cfg.source(ctx, show, log)
	if err != nil {
		return err
	}
	defer done()
	job := cfg.Job(source, log)
	job.IncludeYanked, job.Limit, job.AllowEmpty = cfg.includeYanked, cfg.limit, cfg.part.AllowEmpty
	if cfg.dryRun {
		return a.dryRun(ctx, cfg, job.Config)
	}
	return a.mirror(ctx, &cfg.Run, job, show)
}

// source opens the index or reads the list; the caller must call done at the end.
func (cfg *downloadConfig) source(ctx context.Context, show *console.Display, log *slog.Logger) (_ plan.Source, done func(), err error) {
	var sums plan.Checksums
	if cfg.checksums != "" {
		err := flags.ReadText(cfg.checksums, func(r io.Reader) (err error) {
			sums, err = plan.ReadChecksums(r, cfg.checksums)
			return err
		})
		if err != nil {
			return nil, nil, err
		}
		if len(sums) == 0 && !cfg.part.AllowEmpty {
			return nil, nil, flags.Emptyf("-checksums %s has no checksum", cfg.checksums)
		}
	}
	if cfg.list == "" {
		ix, err := index.Open(ctx, cfg.indexDir, index.Options{Log: log})
		if err != nil {
			return nil, nil, err
		}
		if !cfg.AcceptShrink && !cfg.part.AllowEmpty {
			err = ix.CheckNotEmpty(ctx)
		}
		if err != nil {
			return nil, nil, errors.Join(err, ix.Close())
		}
		source, err := cfg.part.Source(ctx, ix, sums, cfg.includeYanked, show, log)
		if err == nil {
			err = cfg.Origin.Resolve(ctx, ix, log)
		}
		if err != nil {
			return nil, nil, errors.Join(err, ix.Close())
		}
		return source, func() { ix.Close() }, nil
	}
	if err := cfg.Origin.Resolve(ctx, nil, log); err != nil {
		return nil, nil, err
	}
	var entries []plan.Item
	var bad []plan.BadEntry
	err = flags.ReadText(cfg.list, func(r io.Reader) (err error) {
		entries, bad, err = plan.ReadList(r, cfg.list, sums)
		return err
	})
	if err == nil && len(entries)+len(bad) == 0 && !cfg.part.AllowEmpty {
		err = flags.Emptyf("-list %s names no crate", cfg.list)
	}
	return plan.FromList(entries, bad), func() {}, err
}

// dryRun prints what a run would do, and changes nothing.
func (a *App) dryRun(ctx context.Context, cfg *downloadConfig, job plan.Config) error {
	totals, err := plan.Against(ctx, &cfg.Home, job, nil)
	if err != nil {
		return err
	}
	fmt.Fprintf(a.Stdout, "dry-run ok: urls=%d concurrency=%d out=%s verify-existing=%t bundle-mode=%s\n",
		totals.Versions, cfg.Net.Concurrency, cfg.Home.Crates, cfg.VerifyExisting, cfg.BundleMode)
	totals.Print(a.Stdout)
	return totals.Verdict()
}
