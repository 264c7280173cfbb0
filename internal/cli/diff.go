package cli

import (
	"bufio"
	"context"
	"errors"
	"os"

	"github.com/urfave/cli/v3"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/diff"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/flags"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/human"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/program"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/verdict"
)

// diffConfig is the flags of diff.
type diffConfig struct {
	dirs     flags.Dirs
	json     bool
	from, to string // points in the past of the index
	known    bool   // the mirror is, not the index alone
	log      flags.Log
}

func diffCommand(a *App) *cli.Command {
	var cfg diffConfig
	return &cli.Command{
		Name:        "diff",
		Usage:       "compare the registry's index of two days",
		ArgsUsage:   "[-mirror DIR] [-index-dir DIR] [-json] DAY1 DAY2",
		Description: helpText("diff", "exit-codes"),
		Flags: append(append(cfg.dirs.Flags(),
			flags.JSON(&cfg.json, "a line of JSON for the two commits, then one a change (docs/time.md)")),
			cfg.log.Flags()...),
		OnUsageError: program.OnUsageError,
		Action: func(ctx context.Context, cmd *cli.Command) error {
			err := cfg.check(cmd.Args().Slice())
			if err == nil {
				err = a.diff(ctx, &cfg)
			}
			return program.UsageOf(cmd, err)
		},
	}
}

func (cfg *diffConfig) check(args []string) error {
	if len(args) != 2 {
		return flags.Usagef("want DAY1 and DAY2: days, YYYY-MM-DD, or ids of commits")
	}
	cfg.from, cfg.to = args[0], args[1]
	// An index that is named alone need not be that of the mirror in the home folder.
	inMirror := cfg.dirs.Index == "" || cfg.dirs.Crates != "" || cfg.dirs.Root != flags.DefaultMirror()
	cfg.dirs.Fill()
	_, err := os.Stat(cfg.dirs.Catalog())
	cfg.known = inMirror && err == nil
	return cfg.log.Check()
}

// diff runs the command.
func (a *App) diff(ctx context.Context, cfg *diffConfig) (err error) {
	log := cfg.log.Logger(a.Stderr)
	ix, err := cfg.dirs.OpenIndex(ctx, log)
	if err != nil {
		return err
	}
	defer ix.Close()
	job := diff.Config{Index: ix, Log: log}
	if job.From, err = ix.At(ctx, cfg.from); err != nil {
		return err
	}
	if job.To, err = ix.At(ctx, cfg.to); err != nil {
		return err
	}
	if cfg.known {
		follower, err := catalog.Follow(ctx, cfg.dirs.Catalog())
		if err != nil {
			return err
		}
		defer follower.Close()
		job.Holdings = catalog.Live{Follower: follower}
	}
	out := bufio.NewWriter(a.Stdout)
	print := diff.Print
	if cfg.json {
		print = diff.PrintJSON
	}
	s, err := print(ctx, out, cfg.from, cfg.to, job)
	if err = errors.Join(err, out.Flush()); err == nil && s.Unread > 0 {
		err = verdict.Incompletef("%s of the index could not be read, and were not compared: they are listed above", human.Plural(s.Unread, "line or file"))
	}
	return err
}
