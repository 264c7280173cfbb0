package cli

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/urfave/cli/v3"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/deep"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/extract"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/flags"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/inspect"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/program"
)

// inspectConfig holds the flags of inspect. The Usage texts document them.
type inspectConfig struct {
	json, rebuild bool
	sha256        string
	out, indexDir string
	log           flags.Log
}

func inspectCommand(a *App) *cli.Command {
	var cfg inspectConfig
	return &cli.Command{
		Name:        "inspect",
		Usage:       "check and list a bundle or a segment of the deep archive, or extract one crate from it",
		ArgsUsage:   "BUNDLE|SEGMENT [NAME VERSION]",
		Description: helpText("inspect", "exit-codes"),
		Flags: append([]cli.Flag{
			flags.JSON(&cfg.json, "print a line of JSON for each member, and one about the bundle at the end"),
			&cli.BoolFlag{Name: "rebuild", Usage: "in a segment, rebuild and hash each .crate, not only its tar; takes about 50 ms a MB", Destination: &cfg.rebuild},
			flags.IndexDir(&cfg.indexDir, "verify the crate against the index in `DIR`, as extract does; without it, against the manifest beside the bundle"),
			&cli.StringFlag{Name: "sha256", Usage: "extract the bytes with this `CHECKSUM`: a version that was published again may be there with several", Destination: &cfg.sha256},
			&cli.StringFlag{Name: "out", Usage: "write the crate to `FILE`, which must not exist", Destination: &cfg.out, TakesFile: true},
		}, cfg.log.Flags()...),
		OnUsageError: program.OnUsageError,
		Action: func(ctx context.Context, cmd *cli.Command) error {
			return program.UsageOf(cmd, a.inspect(ctx, &cfg, cmd.Args().Slice()))
		},
	}
}

// inspect lists a bundle or segment, or writes one of its crates to -out or stdout.
func (a *App) inspect(ctx context.Context, cfg *inspectConfig, args []string) error {
	if err := cfg.log.Check(); err != nil {
		return err
	}
	if len(args) != 1 && len(args) != 3 {
		return flags.Usagef("provide BUNDLE, or BUNDLE NAME VERSION")
	}
	folder, err := durable.Open(filepath.Dir(args[0]))
	if err != nil {
		return err
	}
	defer folder.Close()
	name := filepath.Base(args[0])
	if len(args) == 1 {
		if cfg.out != "" || cfg.indexDir != "" || cfg.sha256 != "" {
			return flags.Usagef("-out, -index-dir and -sha256 are for one crate: provide BUNDLE NAME VERSION")
		}
		if !inspect.IsSegment(name) {
			return inspect.Bundle(ctx, folder, name, cfg.json, a.Stdout)
		}
		depth := deep.Tars
		if cfg.rebuild {
			depth = deep.Crates
		}
		return inspect.Segment(ctx, folder, name, depth, cfg.json, a.Stdout)
	}
	if cfg.json {
		return flags.Usagef("-json is for the list of a bundle: provide BUNDLE alone")
	}
	id := crate.ID{Name: args[1], Version: args[2]}
	if err := id.Check(); err != nil {
		return flags.Usagef("%w", err)
	}
	key := crate.Key{ID: id}
	if cfg.sha256 != "" {
		if cfg.indexDir != "" {
			return flags.Usagef("-sha256 says what the crate must be, and so does -index-dir: provide one of them")
		}
		if key.Checksum, err = crate.ParseChecksum(cfg.sha256); err != nil {
			return flags.Usagef("-sha256: %w", err)
		}
	}
	if !inspect.IsSegment(name) {
		return a.inspectOne(ctx, cfg, folder, name, key)
	}
	if cfg.indexDir != "" {
		return flags.Usagef("-index-dir is for bundles: what a segment rebuilds has the checksum that is listed, which -sha256 compares")
	}
	return a.take(cfg, inspect.FromSegment(ctx, folder, name, key))
}

// inspectOne writes a crate of a bundle to -out or stdout. If only the bundle itself has the
// crate's checksum, it prints a hint on stderr.
func (a *App) inspectOne(ctx context.Context, cfg *inspectConfig, folder durable.Reader, name string, key crate.Key) error {
	ix, closeIndex, err := openIndex(ctx, cfg.indexDir, cfg.log.Logger(a.Stderr))
	if err != nil {
		return err
	}
	defer closeIndex()
	var by extract.Authority
	err = a.take(cfg, inspect.FromBundle(ctx, folder, name, key, ix, &by))
	if errors.As(err, new(*extract.AmbiguousError)) {
		return flags.Usagef("%w: give -sha256, or -index-dir to take those that the index names", err)
	}
	if err == nil && by == extract.ByItself {
		fmt.Fprintf(a.Stderr, "%s is verified against its own bundle only: give -index-dir to verify it\n", key.ID)
	}
	return err
}

// take writes a crate to the new file -out, or to stdout.
func (a *App) take(cfg *inspectConfig, crate inspect.Taker) error {
	if cfg.out != "" {
		return inspect.ToNewFile(cfg.out, a.Disk, crate)
	}
	return inspect.ToStream(a.Stdout, crate)
}
