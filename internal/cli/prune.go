package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/flags"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/home"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/program"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/prune"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store/bundled"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/trash"
)

// pruneConfig holds the flags of prune.
type pruneConfig struct {
	dirs          flags.Dirs
	excludeYanked bool
	superseded    bool
	acceptShrink  bool
	yes           bool
	olderThan     time.Duration
	bundles       bool
	oldBundles    bool
	minShare      int // percent
	bundleSize    flags.BundleSize
	log           flags.Log
}

func pruneCommand(a *App) *cli.Command {
	var cfg pruneConfig
	list := append(cfg.dirs.Flags(),
		&cli.BoolFlag{Name: "yes", Usage: "remove; without this flag, prune only prints what it would remove", Destination: &cfg.yes},
		&cli.BoolFlag{Name: "exclude-yanked", Usage: "also remove yanked versions", Destination: &cfg.excludeYanked},
		&cli.BoolFlag{Name: "superseded", Usage: "also remove bytes that a version had before it was published again", Destination: &cfg.superseded},
		&cli.BoolFlag{Name: "accept-shrink", Usage: "allow removing more than 5 % of the mirror", Destination: &cfg.acceptShrink},
		&cli.DurationFlag{Name: "older-than", Usage: "also delete files that have been in the trash this long, such as 720h; 0 = never", Destination: &cfg.olderThan},
		&cli.BoolFlag{Name: "bundles", Usage: "rewrite bundles without what is removed", Destination: &cfg.bundles},
		&cli.IntFlag{Name: "min-share", Value: 10, Usage: "with -bundles: rewrite a bundle only if at least `PERCENT` of it would be removed", Destination: &cfg.minShare},
		&cli.BoolFlag{Name: "old-bundles", Usage: "remove only bundles of v1.1.0 that were taken over, each after proving that the mirror has all its crates", Destination: &cfg.oldBundles},
		cfg.bundleSize.Flag(),
	)
	return &cli.Command{
		Name:         "prune",
		Usage:        "remove what the index no longer names",
		ArgsUsage:    "[-mirror DIR] [-yes] [-bundles] [options] | -old-bundles [-mirror DIR] [-yes]",
		Description:  helpText("prune", "exit-codes"),
		Flags:        append(list, cfg.log.Flags()...),
		OnUsageError: program.OnUsageError,
		Action:       program.Action(cfg.check, func(ctx context.Context) error { return a.prune(ctx, &cfg) }),
	}
}

func (cfg *pruneConfig) check() error {
	if cfg.olderThan < 0 {
		return flags.Usagef("-older-than is %v, want 0 (never) or more", cfg.olderThan)
	}
	if cfg.minShare < 0 || cfg.minShare > 100 {
		return flags.Usagef("-min-share is %d, want 0 to 100", cfg.minShare)
	}
	if cfg.oldBundles && (cfg.bundles || cfg.excludeYanked || cfg.superseded) {
		return flags.Usagef("-old-bundles removes nothing else: give no -bundles, -exclude-yanked or -superseded")
	}
	cfg.dirs.Fill()
	return errors.Join(cfg.bundleSize.Check(), cfg.log.Check(), cfg.dirs.CheckWhole())
}

// prune prints what the index no longer names, and removes it if -yes was given.
func (a *App) prune(ctx context.Context, cfg *pruneConfig) error {
	log := cfg.log.Logger(a.Stderr)
	if cfg.oldBundles && !cfg.yes {
		return a.findOldBundles(ctx, cfg)
	}
	ix, err := cfg.dirs.OpenIndex(ctx, log)
	if err != nil {
		return err
	}
	defer ix.Close()
	if cfg.oldBundles {
		return a.removeOldBundles(ctx, cfg, ix, log)
	}
	job := prune.Config{Index: ix, Yanked: cfg.excludeYanked, Superseded: cfg.superseded, AcceptShrink: cfg.acceptShrink, Log: log}
	if cfg.bundles {
		folder, err := home.OpenIfThere(cfg.dirs.Bundles)
		if err != nil {
			return err
		}
		if folder != nil {
			defer folder.Close()
			job.Bundles = &prune.Bundles{Folder: folder, MinShare: float64(cfg.minShare) / 100}
		}
	}
	if cfg.yes {
		return a.pruneHeld(ctx, cfg, job, ix, log)
	}
	var out bytes.Buffer // output of the last attempt
	err = cfg.dirs.ReadCatalog(ctx, func(c *catalog.Catalog) error {
		out.Reset()
		job.Catalog = c
		return pruneWith(ctx, &out, cfg, job)
	})
	if err != nil {
		return err
	}
	_, err = out.WriteTo(a.Stdout)
	return errors.Join(err, a.emptyTrashes(cfg))
}

// pruneHeld locks the mirror and removes what the job chooses.
func (a *App) pruneHeld(ctx context.Context, cfg *pruneConfig, job prune.Config, ix *index.Index, log *slog.Logger) error {
	return a.whilePruning(ctx, cfg, ix, log, job.Bundles != nil, func(w *home.Writer, bundles *bundled.Store) error {
		job.Catalog, job.Trash = w.Catalog, w.Loose.Trash
		if job.Bundles != nil {
			job.Bundles.Store, job.Bundles.Folder = bundles, w.Bundles
		}
		err := pruneWith(ctx, a.Stdout, cfg, job)
		if err != nil && !errors.Is(err, durable.ErrNoSpace) { // emptying the trash frees space
			return err
		}
		return errors.Join(err, a.emptyTrashes(cfg))
	})
}

// whilePruning calls do with the locked mirror, and with its opened bundles if bundles is
// true, otherwise with nil.
func (a *App) whilePruning(ctx context.Context, cfg *pruneConfig, ix *index.Index, log *slog.Logger, bundles bool, do func(*home.Writer, *bundled.Store) error) (err error) {
	run := flags.Run{Home: cfg.dirs.Dirs, Durability: flags.Batches, BundleSize: cfg.bundleSize}
	w, err := home.Hold(a.HomeConfig(&run, log))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	if err := w.OpenKnownCatalog(); err != nil {
		return err
	}
	if !bundles {
		return do(w, nil)
	}
	if err := run.Origin.Resolve(ctx, ix, log); err != nil {
		return err
	}
	store, err := w.OpenBundles(ctx)
	if err != nil {
		return err
	}
	return do(w, store)
}

func pruneWith(ctx context.Context, out io.Writer, cfg *pruneConfig, job prune.Config) error {
	p, err := prune.Run(ctx, job, func(v *catalog.Version) { fmt.Fprintln(out, v.ID) })
	if err != nil {
		return err
	}
	p.Print(out, prune.Words{Done: cfg.yes, Trashes: cfg.trashes(), MinShare: cfg.minShare, Bundles: cfg.bundles})
	return nil
}

// trashes returns the names of the folders to which prune moves files.
func (cfg *pruneConfig) trashes() string {
	if cfg.bundles {
		return cfg.dirs.Trash() + " and " + cfg.dirs.TrashedBundles()
	}
	return cfg.dirs.Trash()
}

// emptyTrashes deletes files that have been in the trash of crates or of bundles for longer
// than -older-than. Without -yes it only prints what it would delete.
func (a *App) emptyTrashes(cfg *pruneConfig) error {
	if cfg.olderThan == 0 {
		return nil
	}
	for _, dir := range slices.Compact([]string{cfg.dirs.Crates, cfg.dirs.Bundles}) {
		folder, err := home.OpenIfThere(dir)
		if err != nil {
			return err
		}
		if folder == nil {
			continue
		}
		err = trash.EmptyOld(a.Disk(folder), cfg.olderThan, !cfg.yes, func(day time.Time) { a.printEmptied(day, cfg) })
		if err = errors.Join(err, folder.Close()); err != nil {
			return err
		}
	}
	return nil
}

func (a *App) printEmptied(day time.Time, cfg *pruneConfig) {
	if cfg.yes {
		fmt.Fprintf(a.Stdout, "deleted: files in the trash since %s\n", day.Format(time.DateOnly))
	} else {
		fmt.Fprintf(a.Stdout, "files in the trash since %s would be deleted\n", day.Format(time.DateOnly))
	}
}
