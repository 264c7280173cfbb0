package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/urfave/cli/v3"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/diff"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/flags"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/home"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/human"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/program"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store/loose"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/verdict"
)

// diffConfig holds the flags of diff.
type diffConfig struct {
	dirs     flags.Dirs
	json     bool
	from, to string // days or commits of the index, or paths
	paths    bool   // from and to are paths
	known    bool   // there is a catalog, which says what the mirror holds
	log      flags.Log
}

func diffCommand(a *App) *cli.Command {
	var cfg diffConfig
	return &cli.Command{
		Name:        "diff",
		Usage:       "compare two days of the index, two mirrors, or two manifests",
		ArgsUsage:   "[-mirror DIR] [-index-dir DIR] [-json] DAY1 DAY2 | [-json] PATH1 PATH2",
		Description: helpText("diff", "exit-codes"),
		Flags: append(append(cfg.dirs.Flags(),
			flags.JSON(&cfg.json, "print a line of JSON about the two sides, then one for each change (docs/time.md)")),
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
		return flags.Usagef("want two days, YYYY-MM-DD, or ids of commits; or the paths of two mirrors or manifests")
	}
	cfg.from, cfg.to = args[0], args[1]
	inPast := func(arg string) bool { return index.IsDay(arg) || index.IsCommit(arg) }
	cfg.paths = !inPast(cfg.from) && !inPast(cfg.to)
	for _, arg := range args {
		if _, err := os.Stat(arg); err == nil && !cfg.paths && !inPast(arg) {
			return flags.Usagef("%q is a path, and the other one is a day or commit, which cannot be compared; a folder with the name of a day is ./2026-01-02", arg)
		}
	}
	// If only -index-dir is given, the index may not be that of the default mirror.
	inMirror := cfg.dirs.Index == "" || cfg.dirs.Crates != "" || cfg.dirs.Root != flags.DefaultMirror()
	cfg.dirs.Fill()
	_, err := os.Stat(cfg.dirs.Catalog())
	cfg.known = inMirror && err == nil
	return cfg.log.Check()
}

// diff compares two days of the index, or two mirrors or manifests, and prints the changes.
func (a *App) diff(ctx context.Context, cfg *diffConfig) error {
	if cfg.paths {
		return a.diffSides(ctx, cfg)
	}
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
	_, err = cfg.print(ctx, a.Stdout, job.Report(cfg.from, cfg.to))
	return err
}

// diffSides compares two mirrors or manifests. Unlike two days of an index, they should be
// equal: a difference is a verdict.Incomplete error.
func (a *App) diffSides(ctx context.Context, cfg *diffConfig) error {
	log := cfg.log.Logger(a.Stderr)
	from, err := openSide(ctx, cfg.from, log)
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := openSide(ctx, cfg.to, log)
	if err != nil {
		return err
	}
	defer to.Close()
	report, err := diff.Sides(ctx, cfg.from, cfg.to, from, to)
	if err != nil {
		return err
	}
	s, err := cfg.print(ctx, a.Stdout, report)
	if err != nil {
		return err
	}
	if n := s.Differing(); n > 0 {
		return verdict.Incompletef("%s between %s and %s: listed above", human.Plural(n, "difference"), cfg.from, cfg.to)
	}
	return nil
}

// openSide opens a manifest, or a mirror by its folder or its folder of crates. Errors:
// fs.ErrNotExist, home.ErrNoCatalog.
func openSide(ctx context.Context, path string, log *slog.Logger) (diff.Side, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("comparing %q, which is neither a day, YYYY-MM-DD, nor the id of a commit: %w", path, err)
	}
	if !info.IsDir() {
		return diff.OpenManifest(ctx, path, log)
	}
	dirs := home.Dirs{Root: path}
	if _, err := os.Stat(filepath.Join(path, loose.StateDir)); err == nil {
		dirs.Crates = path
	}
	dirs.Fill()
	if err := dirs.Check(); err != nil {
		return nil, err
	}
	if !dirs.HasCatalog() {
		return nil, home.ErrNoCatalog
	}
	follower, err := catalog.Follow(ctx, dirs.Catalog())
	return diff.Mirror{Live: catalog.Live{Follower: follower}}, err
}

// print prints the report as text or JSON. Errors: a verdict if lines or files were unreadable.
func (cfg *diffConfig) print(ctx context.Context, w io.Writer, report *diff.Report) (*diff.Summary, error) {
	out := bufio.NewWriter(w)
	print := report.Print
	if cfg.json {
		print = report.PrintJSON
	}
	s, err := print(ctx, out)
	if err = errors.Join(err, out.Flush()); err == nil && s.Unread > 0 {
		err = verdict.Incompletef("%s could not be read, and were not compared: they are listed above", human.Plural(s.Unread, "line or file"))
	}
	return s, err
}
