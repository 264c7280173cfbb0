package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"slices"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/console"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/deep"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/flags"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/home"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/human"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/prune"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/repack"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

// repackConfig is the flags of repack.
type repackConfig struct {
	dirs        flags.Dirs
	keep, hot   bool
	maxDuration flags.MaxDuration
	atLeast     int
	jobs        int
	segmentGB   int64
	log         flags.Log
	progress    flags.Progress
}

func repackCommand(a *App) *cli.Command {
	var cfg repackConfig
	list := append(cfg.dirs.Flags(),
		&cli.BoolFlag{Name: "keep", Usage: "keep loose files and bundles too; without it they are removed once what is in them was rebuilt from the deep archive and hashed", Destination: &cfg.keep},
		&cli.BoolFlag{Name: "hot", Usage: "keep the newest version of each crate where it is, too: builds ask for it most", Destination: &cfg.hot},
		cfg.maxDuration.Flag("begin no more packs after so long; the next run goes on. 0 = when all is packed"),
		&cli.IntFlag{Name: "at-least", Value: 1, Usage: "leave a crate alone unless it has `N` versions that are not packed: few versions share little", Destination: &cfg.atLeast},
		&cli.IntFlag{Name: "jobs", Usage: "packs that are built at a time. Default: one a core", Destination: &cfg.jobs},
		&cli.Int64Flag{Name: "segment-size-gb", Value: defaultSegmentGB, Usage: "a segment takes no more once it has `N` GB", Destination: &cfg.segmentGB},
	)
	list = append(list, cfg.log.Flags()...)
	list = append(list, cfg.progress.Flags()...)
	return &cli.Command{
		Name:         "repack",
		Usage:        "move crates into the deep archive, which takes a sixth of the space and longer to read",
		ArgsUsage:    "[-mirror DIR] [-keep] [-hot] [-max-duration D]",
		Description:  helpText("repack", "exit-codes"),
		Flags:        list,
		OnUsageError: onUsageError,
		Action:       action(cfg.check, func(ctx context.Context) error { return a.repack(ctx, &cfg) }),
	}
}

const defaultSegmentGB = 4

// maxSegmentGB keeps the length of a segment, and of what is copied, within bounds.
const maxSegmentGB = 1 << 10

func (cfg *repackConfig) check() error {
	if err := cfg.maxDuration.Check(); err != nil {
		return err
	}
	switch {
	case cfg.atLeast < 1 || cfg.atLeast > deep.MaxVersions:
		return flags.Usagef("-at-least is %d, want 1 to %d", cfg.atLeast, deep.MaxVersions)
	case cfg.jobs < 0:
		return flags.Usagef("-jobs is %d, want 0 (one a core) or more", cfg.jobs)
	case cfg.segmentGB < 1 || cfg.segmentGB > maxSegmentGB:
		return flags.Usagef("-segment-size-gb is %d, want 1 to %d", cfg.segmentGB, maxSegmentGB)
	case cfg.keep && cfg.hot:
		return flags.Usagef("-hot has no meaning with -keep, which keeps all versions")
	}
	cfg.dirs.Fill()
	return errors.Join(cfg.log.Check(), cfg.progress.Check(), cfg.dirs.Check())
}

// repack holds the mirror as a run does, and packs.
func (a *App) repack(ctx context.Context, cfg *repackConfig) (err error) {
	show, log := cfg.progress.Terminal(a.Stderr, &cfg.log)
	run := flags.Run{Home: cfg.dirs.Dirs, Durability: flags.Batches, BundleSize: flags.UsualBundleSize}
	if err := run.Origin.ResolveIn(ctx, cfg.dirs.Index, log); err != nil {
		return err
	}
	w, err := home.Hold(a.homeConfig(&run, log))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	if err := w.OpenKnownCatalog(); err != nil {
		return err
	}
	o := originals{Remover: w.Loose, w: w, log: log}
	job := repack.Config{Open: w.Loose.Open, Hot: cfg.hot, AtLeast: cfg.atLeast, Workers: cfg.jobs}
	if o.bundles, err = a.bundlesIfThere(ctx, w, &cfg.dirs); err != nil {
		return err
	}
	if o.bundles != nil {
		job.Open = o.bundles.Open
	}
	if !cfg.keep {
		job.Originals = o
	}
	if cfg.maxDuration > 0 {
		job.Deadline = time.Now().Add(time.Duration(cfg.maxDuration))
	}
	done, err := pack(ctx, w, job, cfg.segmentGB, show, log)
	if done == nil {
		return err
	}
	printRepacked(a.Stdout, done)
	return errors.Join(err, done.Verdict())
}

// pack opens the segments and packs what is not in them.
func pack(ctx context.Context, w *home.Writer, job repack.Config, segmentGB int64, show *console.Display, log *slog.Logger) (_ *repack.Done, err error) {
	folder, err := w.OpenDeep()
	if err != nil {
		return nil, err
	}
	if job.Segments, err = repack.OpenSegments(ctx, folder, segmentGB<<30, w.Catalog, log); err != nil {
		return nil, err
	}
	job.Catalog, job.Progress, job.Log = w.Catalog, new(repack.Progress), log
	job.Workers = cmp.Or(job.Workers, runtime.GOMAXPROCS(0))
	defer func() { err = errors.Join(err, job.Segments.Close()) }()
	totals, err := w.Catalog.Totals(ctx)
	if err != nil {
		return nil, err
	}
	followed := show.Follow(job.Progress.State(totals.Versions), log)
	done, err := repack.Run(ctx, job)
	followed()
	return &done, err
}

func (a *App) bundlesIfThere(ctx context.Context, w *home.Writer, d *flags.Dirs) (bundles, error) {
	folder, err := home.OpenIfThere(d.Bundles)
	if err != nil || folder == nil {
		return nil, err
	}
	if err := folder.Close(); err != nil {
		return nil, err
	}
	return w.OpenBundles(ctx)
}

// bundles is a bundled.Store.
type bundles interface {
	store.Reader
	prune.Store
}

// originals removes what is in the deep archive too.
type originals struct {
	store.Remover
	w       *home.Writer
	bundles bundles // nil: there are none
	log     *slog.Logger
}

// minGarbage is which part of a bundle must be in the deep archive alone before the
// rest of it is put into another.
const minGarbage = 0.5

// FreeBundles implements repack.Originals.
func (o originals) FreeBundles(ctx context.Context) error {
	if o.bundles == nil {
		return nil
	}
	_, err := prune.Compact(ctx, o.w.Catalog, &prune.Bundles{Folder: o.w.Bundles, Store: o.bundles, MinShare: minGarbage, Discard: true}, o.log)
	return err
}

func printRepacked(w io.Writer, d *repack.Done) {
	if d.Versions == 0 {
		fmt.Fprintln(w, "nothing to pack")
	} else {
		fmt.Fprintf(w, "%s packed, %s into %s (%.1f %%) in %v\n", human.Plural(d.Versions, "version"),
			human.Size(d.Size), human.Size(d.Packed), 100*float64(d.Packed)/float64(max(d.Size, 1)), d.Duration.Round(time.Second))
	}
	row := console.Rows(w)
	row(d.Merged, "of them put together with small packs")
	var reasons []deep.Reason
	for r := range d.Verbatim {
		reasons = append(reasons, r)
	}
	slices.Sort(reasons)
	for _, r := range reasons {
		row(d.Verbatim[r], fmt.Sprintf("stored as they are: %s", r))
	}
	row(d.Waiting, "wait until their crate has more (-at-least)")
	row(d.LooseRemoved, "loose files removed")
	row(d.SegmentsRemoved, "segments removed of which little was needed")
	row(d.FailedVersions, "not packed")
	problems := console.Problems{All: d.FailedVersions, More: ", which the log names"}
	for _, f := range d.Failed {
		problems.First = append(problems.First, fmt.Errorf("%s: %w", f.ID, f.Err))
	}
	problems.Print(w)
}

// packRound packs what a round has brought. Bundles stay until repack frees them.
func (cfg *syncConfig) packRound(ctx context.Context, w *home.Writer, show *console.Display, log *slog.Logger) error {
	job := repack.Config{Open: w.Store.Open, Hot: cfg.deep.Mode == "hot", AtLeast: flags.RoundAtLeast, KeepOpen: cfg.every > 0}
	if cfg.deep.Mode != "add" {
		job.Originals = originals{Remover: w.Store, w: w, log: log}
	}
	done, err := pack(ctx, w, job, defaultSegmentGB, show, log)
	if err != nil {
		return err
	}
	log.Info("packed", "versions", done.Versions, "bytes", done.Size, "packed_bytes", done.Packed, "waiting", done.Waiting, "failed", done.FailedVersions)
	return done.Verdict()
}
