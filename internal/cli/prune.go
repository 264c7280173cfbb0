package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/mirror"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store/loose"
)

// pruneConfig is the flags of prune.
type pruneConfig struct {
	dirs          dirs
	excludeYanked bool
	acceptShrink  bool
	yes           bool
	olderThan     time.Duration
	log           logConfig
}

func pruneCommand(a *App) *cli.Command {
	var cfg pruneConfig
	flags := append(cfg.dirs.flags(),
		&cli.BoolFlag{Name: "yes", Usage: "do it; without this flag, prune says what it would do", Destination: &cfg.yes},
		&cli.BoolFlag{Name: "exclude-yanked", Usage: "yanked versions go too", Destination: &cfg.excludeYanked},
		&cli.BoolFlag{Name: "accept-shrink", Usage: "go on although more than 5 % of what is held would go", Destination: &cfg.acceptShrink},
		&cli.DurationFlag{Name: "older-than", Usage: "also remove for good what has been in the trash for so long, such as 720h; 0 = never", Destination: &cfg.olderThan},
	)
	return &cli.Command{
		Name:      "prune",
		Usage:     "throw away what the index does not name any more",
		ArgsUsage: "[-mirror DIR] [-yes] [options]",
		Description: "Loose files go to trash/{date} in the folder of the crates. Bundles are never\n" +
			"rewritten: what lies in them stays, and is not served.\n\n" + exitCodesHelp,
		Flags:        append(flags, cfg.log.flags()...),
		OnUsageError: onUsageError,
		Action:       action(cfg.check, func(ctx context.Context) error { return a.prune(ctx, &cfg) }),
	}
}

func (cfg *pruneConfig) check() error {
	if cfg.olderThan < 0 {
		return usagef("-older-than is %v, want 0 (never) or more", cfg.olderThan)
	}
	cfg.dirs.fill()
	return errors.Join(cfg.log.check(), cfg.dirs.check())
}

// prune runs the command.
func (a *App) prune(ctx context.Context, cfg *pruneConfig) error {
	log := cfg.log.logger(a.Stderr)
	ix, err := cfg.dirs.openIndex(ctx, log)
	if err != nil {
		return err
	}
	defer ix.Close()
	job := mirror.PruneConfig{Index: ix, Yanked: cfg.excludeYanked, AcceptShrink: cfg.acceptShrink}
	if cfg.yes {
		return a.pruneHeld(ctx, cfg, job, log)
	}
	var out bytes.Buffer // of the last reading
	found, err := readCatalog(ctx, cfg.dirs.out, func(c *catalog.Catalog) error {
		out.Reset()
		job.Catalog = c
		return pruneWith(ctx, &out, cfg, job)
	})
	if err == nil && !found {
		err = withoutCatalog(fs.ErrNotExist)
	}
	if err != nil {
		return err
	}
	_, err = out.WriteTo(a.Stdout)
	return err
}

// pruneHeld prunes for good, with the mirror's lock.
func (a *App) pruneHeld(ctx context.Context, cfg *pruneConfig, job mirror.PruneConfig, log *slog.Logger) (err error) {
	h, l, err := a.openLoose(cfg.dirs.out, "batch", log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.close()) }()
	path := catalogPath(cfg.dirs.out)
	if _, err = os.Stat(path); err != nil { // an empty one would say that nothing is held
		return withoutCatalog(err)
	}
	if h.catalog, err = catalog.Open(path); err != nil {
		return err
	}
	job.Catalog, job.Trash = h.catalog, l.Trash
	if err := pruneWith(ctx, a.Stdout, cfg, job); err != nil || cfg.olderThan == 0 {
		return err
	}
	return a.emptyTrash(l, cfg.olderThan)
}

func pruneWith(ctx context.Context, out io.Writer, cfg *pruneConfig, job mirror.PruneConfig) error {
	p, err := mirror.Prune(ctx, job, func(v *catalog.Version) { fmt.Fprintln(out, v.ID) })
	if err != nil {
		return err
	}
	where := filepath.Join(cfg.dirs.out, "trash")
	if p.Versions == 0 {
		fmt.Fprintln(out, "nothing is to go")
	} else if cfg.yes {
		fmt.Fprintf(out, "%s, %s, went to %s\n", plural(p.Versions, "version"), size(p.Bytes), where)
	} else {
		fmt.Fprintf(out, "%s, %s, would go to %s: -yes does it\n", plural(p.Versions, "version"), size(p.Bytes), where)
	}
	if p.Bundled > 0 {
		fmt.Fprintf(out, "%s of them lie in bundles as well, where they stay\n", count(p.Bundled))
	}
	return nil
}

// emptyTrash removes what has been in the trash for long.
func (a *App) emptyTrash(l *loose.Store, olderThan time.Duration) error {
	days, err := l.Trashed()
	if err != nil {
		return err
	}
	for _, day := range days {
		if time.Since(day.AddDate(0, 0, 1)) < olderThan { // the day had to end first
			continue
		}
		if err := l.EmptyTrash(day); err != nil {
			return err
		}
		fmt.Fprintf(a.Stdout, "removed for good: what was thrown away on %s\n", day.Format(time.DateOnly))
	}
	return nil
}
