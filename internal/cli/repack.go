package cli

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/console"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/deep"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/flags"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/home"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/program"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/repack"
)

// repackConfig holds the flags of repack.
type repackConfig struct {
	dirs        flags.Dirs
	keep, hot   bool
	maxDuration flags.MaxDuration
	atLeast     int
	jobs        int
	segmentGB   int64
	shard       flags.Shard
	log         flags.Log
	progress    flags.Progress
}

func repackCommand(a *App) *cli.Command {
	var cfg repackConfig
	list := append(cfg.dirs.Flags(),
		&cli.BoolFlag{Name: "keep", Usage: "keep loose files and bundles; without this flag they are removed once their crates were rebuilt from the deep archive and hashed", Destination: &cfg.keep},
		&cli.BoolFlag{Name: "hot", Usage: "also keep the newest version of each crate where it is: builds need it most often", Destination: &cfg.hot},
		cfg.maxDuration.Flag("start no more packs after this long; the next run resumes. 0 = no limit"),
		&cli.IntFlag{Name: "at-least", Value: 1, Usage: "skip crates with fewer than `N` versions to pack: few versions share little", Destination: &cfg.atLeast},
		cfg.shard.Flag("pack only"),
		&cli.IntFlag{Name: "jobs", Usage: "build `N` packs at a time. Default: one a core", Destination: &cfg.jobs},
		&cli.Int64Flag{Name: "segment-size-gb", Value: defaultSegmentGB, Usage: "start a new segment once the current one reaches `N` GB", Destination: &cfg.segmentGB},
	)
	list = append(list, cfg.log.Flags()...)
	list = append(list, cfg.progress.Flags()...)
	return &cli.Command{
		Name:         "repack",
		Usage:        "move crates into the deep archive: a sixth of the space, slower to read",
		ArgsUsage:    "[-mirror DIR] [-keep] [-hot] [-max-duration D]",
		Description:  helpText("repack", "exit-codes"),
		Flags:        list,
		OnUsageError: program.OnUsageError,
		Action:       program.Action(cfg.check, func(ctx context.Context) error { return a.repack(ctx, &cfg) }),
	}
}

const defaultSegmentGB = 4

// maxSegmentGB bounds the size of a segment in GB, and so the bytes copied to rewrite one.
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
	return errors.Join(cfg.shard.Check(), cfg.log.Check(), cfg.progress.Check(), cfg.dirs.CheckWhole())
}

// repack locks the mirror, as a run does, and moves crates into the deep archive.
func (a *App) repack(ctx context.Context, cfg *repackConfig) (err error) {
	show, log := cfg.progress.Terminal(a.Stderr, &cfg.log)
	run := flags.Run{Home: cfg.dirs.Dirs, Durability: flags.Batches, BundleSize: flags.UsualBundleSize, Shard: cfg.shard}
	if err := run.Origin.ResolveIn(ctx, cfg.dirs.Index, log); err != nil {
		return err
	}
	done, err := repack.Mirror(ctx, a.HomeConfig(&run, log), repack.Options{
		Shard: cfg.shard.Shard, Keep: cfg.keep, Hot: cfg.hot, AtLeast: cfg.atLeast, Workers: cfg.jobs, MaxDuration: time.Duration(cfg.maxDuration),
		SegmentSize: cfg.segmentGB << 30, Watch: watchPacking(show, log), Log: log,
	})
	if done == nil {
		return err
	}
	done.Print(console.Wrap(a.Stdout))
	return errors.Join(err, done.Verdict())
}

// watchPacking returns a function for repack.Options.Watch that shows progress in show.
func watchPacking(show *console.Display, log *slog.Logger) func(look func() console.State) (stop func()) {
	return func(look func() console.State) (stop func()) { return show.Follow(look, log) }
}

// packRound moves crates into the deep archive after a round of sync.
func (cfg *syncConfig) packRound(ctx context.Context, w *home.Writer, show *console.Display, log *slog.Logger) error {
	done, err := repack.Round(ctx, w, repack.Options{
		Shard: cfg.Shard.Shard, Keep: cfg.deep.Mode == "add", Hot: cfg.deep.Mode == "hot", AtLeast: flags.RoundAtLeast, KeepOpen: cfg.every > 0,
		SegmentSize: defaultSegmentGB << 30, Watch: watchPacking(show, log), Log: log,
	})
	if err != nil {
		return err
	}
	log.Info("packed", "versions", done.Versions, "bytes", done.Size, "packed_bytes", done.Packed, "waiting", done.Waiting, "failed", done.FailedVersions)
	return done.Verdict()
}
