package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"github.com/urfave/cli/v3"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/console"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/flags"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/home"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/program"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/sidecar"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/stream"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/verdict"
)

// sidecarsConfig holds the flags of sidecars. The Usage texts document them.
type sidecarsConfig struct {
	indexDir              string
	origin                flags.Origin
	out, mode             string
	jsonlOut, parquetOut  string
	manifest              string
	insides               bool
	mirrorOut, bundlesOut string
	includeYanked         bool
	limit                 int64
	acceptShrink          bool
	concurrency           int
	log                   flags.Log
	progress              flags.Progress
}

func sidecarsCommand(a *App, name string) *cli.Command {
	var cfg sidecarsConfig
	return &cli.Command{
		Name:         name,
		Usage:        "write metadata of each version as files, JSON lines or a Parquet table",
		ArgsUsage:    "-index-dir DIR [-out DIR | -output-mode jsonl -jsonl-out FILE | -output-mode parquet -parquet-out FILE] [options]",
		Description:  exitCodesHelp,
		Flags:        cfg.flags(),
		OnUsageError: program.OnUsageError,
		Action:       program.Action(cfg.check, func(ctx context.Context) error { return a.sidecars(ctx, &cfg) }),
	}
}

func (cfg *sidecarsConfig) flags() []cli.Flag {
	list := []cli.Flag{
		flags.IndexDir(&cfg.indexDir, "read the index in `DIR`: a checkout, a bare repository or a plain folder"),
		&cli.StringFlag{Name: "output-mode", Value: "files", Usage: "`files|jsonl|parquet`: write a file for each version, or one file with a line or a row for each", Destination: &cfg.mode},
		&cli.StringFlag{Name: "out", Value: "out", Usage: "write files to `DIR`, which may be that of a mirror", Destination: &cfg.out, TakesFile: true},
		&cli.StringFlag{Name: "jsonl-out", Usage: "write lines to `FILE`, which is replaced once all are written; /dev/stdout and FIFOs get them as they come", Destination: &cfg.jsonlOut, TakesFile: true},
		&cli.StringFlag{Name: "parquet-out", Usage: "write the table to `FILE`, as for -jsonl-out", Destination: &cfg.parquetOut, TakesFile: true},
		&cli.StringFlag{Name: "manifest", Usage: "read storage, bundle_path and bundle_member from `FILE`, the manifest of a download", Destination: &cfg.manifest, TakesFile: true},
		&cli.BoolFlag{Name: "with-manifest-toml", Usage: "add metadata from the Cargo.toml in each crate that is stored in -mirror-out or -bundles-out", Destination: &cfg.insides},
		&cli.StringFlag{Name: "mirror-out", Value: "out", Usage: "with -with-manifest-toml: read crate files in `DIR`", Destination: &cfg.mirrorOut, TakesFile: true},
		&cli.StringFlag{Name: "bundles-out", Value: "bundles", Usage: "with -with-manifest-toml: read bundles in `DIR`", Destination: &cfg.bundlesOut, TakesFile: true},
		cfg.origin.Flag("make crate_url from "),
		&cli.BoolFlag{Name: "include-yanked", Usage: "also describe yanked versions; without this flag, only files that they already have are kept up to date", Destination: &cfg.includeYanked},
		&cli.Int64Flag{Name: "limit", Usage: "write at most `N` sidecars, 0 = all", Destination: &cfg.limit},
		&cli.BoolFlag{Name: "accept-shrink", Usage: "continue even if the index is empty, or the existing table would lose many rows", Destination: &cfg.acceptShrink},
		&cli.IntFlag{Name: "concurrency", Value: 128, Usage: "process at most `N` batches of versions at a time", Destination: &cfg.concurrency},
	}
	list = append(list, cfg.log.Flags()...)
	return append(list, cfg.progress.Flags()...)
}

// check rejects contradictory flags before anything is changed.
func (cfg *sidecarsConfig) check() error {
	if cfg.indexDir == "" {
		return flags.Usagef("provide -index-dir")
	}
	if info, err := os.Stat(cfg.indexDir); err != nil || !info.IsDir() {
		return flags.Usagef("-index-dir %s is not a directory", cfg.indexDir)
	}
	switch cfg.mode {
	case "files", "jsonl", "parquet":
	default:
		return flags.Usagef("-output-mode %q is none of files, jsonl, parquet", cfg.mode)
	}
	if (cfg.mode == "jsonl") != (cfg.jsonlOut != "") {
		return flags.Usagef("-output-mode jsonl and -jsonl-out go together")
	}
	if (cfg.mode == "parquet") != (cfg.parquetOut != "") {
		return flags.Usagef("-output-mode parquet and -parquet-out go together")
	}
	if info, err := os.Stat(cfg.mirrorOut); cfg.insides && (err != nil || !info.IsDir()) {
		return flags.Usagef("-mirror-out %s is not a directory", cfg.mirrorOut)
	}
	if cfg.limit < 0 {
		return flags.Usagef("-limit is %d, want 0 (all) or more", cfg.limit)
	}
	if cfg.concurrency < 1 || cfg.concurrency > flags.MaxConcurrency {
		return flags.Usagef("-concurrency is %d, want 1 to %d", cfg.concurrency, flags.MaxConcurrency)
	}
	return errors.Join(cfg.checkTarget(), cfg.origin.Check(), cfg.log.Check(), cfg.progress.Check())
}

// checkTarget rejects an output file that is a folder, or that is the manifest to read,
// which would be replaced.
func (cfg *sidecarsConfig) checkTarget() error {
	if cfg.mode == "files" {
		return nil
	}
	target := cfg.target()
	there, err := os.Stat(target)
	if os.IsPathSeparator(target[len(target)-1]) || err == nil && there.IsDir() {
		return flags.Usagef("-%s-out %s is a directory, want a file", cfg.mode, target)
	}
	if cfg.manifest == "" || err != nil {
		return nil
	}
	if read, err := os.Stat(cfg.manifest); err == nil && os.SameFile(read, there) {
		return flags.Usagef("-%s-out %s is the manifest that is to be read: write to another file", cfg.mode, target)
	}
	return nil
}

// target returns the name of the folder or file that sidecars are written to, for messages.
func (cfg *sidecarsConfig) target() string {
	switch cfg.mode {
	case "jsonl":
		return cfg.jsonlOut
	case "parquet":
		return cfg.parquetOut
	}
	return cfg.out
}

// openTarget opens the output of the modes that write all sidecars to one file or stream.
func (cfg *sidecarsConfig) openTarget(ctx context.Context) (to stream.Target, err error) {
	if cfg.mode == "files" {
		return to, nil
	}
	if to, err = stream.OpenTarget(ctx, cfg.target()); err != nil {
		return to, fmt.Errorf("-%s-out: %w", cfg.mode, err)
	}
	return to, nil
}

// sidecars writes the sidecars of all versions in the index, and prints a summary.
func (a *App) sidecars(ctx context.Context, cfg *sidecarsConfig) (err error) {
	show, log := cfg.progress.Terminal(a.Stderr, &cfg.log)
	ix, err := index.Open(ctx, cfg.indexDir, index.Options{Log: log})
	if err != nil {
		return err
	}
	defer ix.Close()
	if err := cfg.origin.Resolve(ctx, ix, log); err != nil {
		return err
	}
	to, err := cfg.openTarget(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, to.Close()) }()
	summary, err := a.describe(ctx, cfg, to, ix, show, log)
	if summary != nil && (cfg.mode == "files" && summary.Done() > 0 || errors.As(err, new(*verdict.IncompleteError)) || err == nil) {
		summary.Print(console.Wrap(to.Results(a.Stdout, a.Stderr)), cfg.target())
	}
	return err
}

// describe writes the sidecars of the versions in an index. The summary is nil if writing
// did not begin.
func (a *App) describe(ctx context.Context, cfg *sidecarsConfig, to stream.Target, ix *index.Index, show *console.Display, log *slog.Logger) (_ *sidecar.Summary, err error) {
	job := sidecar.Config{
		Index: ix, URLs: cfg.origin.URLs.WithoutUser(), IncludeYanked: cfg.includeYanked, Limit: cfg.limit, AcceptShrink: cfg.acceptShrink, Concurrency: cfg.concurrency,
		Log: log, Progress: sidecar.NewProgress(),
	}
	where := sidecar.Target{
		Mode: sidecar.Mode(cfg.mode), Dir: cfg.out, File: to.File, Stream: to.Stream, Manifest: cfg.manifest, Create: a.Folder, Owner: program.Owner(cfg.target()),
	}
	if cfg.insides {
		where.Mirror = &home.Dirs{Crates: cfg.mirrorOut, Bundles: cfg.bundlesOut}
	}
	s, err := where.Open(ctx, &job)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	defer show.Follow(job.Progress.State, log)()
	summary, err := sidecar.Run(ctx, job)
	if err == nil {
		err = summary.Verdict(job.Places)
	}
	return summary, err
}
