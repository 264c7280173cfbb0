package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/attest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/console"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/flags"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/follow"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/home"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/clone"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/mirror"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/plan"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/program"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/stream"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/upstream"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/verdict"
)

// syncConfig holds the flags of sync.
type syncConfig struct {
	dirs            flags.Dirs
	index           flags.IndexSource
	checkout        bool
	skipIndexUpdate bool
	keepDays        int
	excludeYanked   bool
	sidecars        bool
	every           time.Duration
	bundleEvery     time.Duration
	attest          flags.Signers
	part            flags.Part
	deep            flags.Deep
	push            flags.Push
	flags.Run
}

func syncCommand(a *App) *cli.Command {
	cfg := syncConfig{Run: flags.Run{NewsOnly: true}}
	return &cli.Command{
		Name:         "sync",
		Usage:        "update the index and download what is missing; with -every, keep running",
		ArgsUsage:    "[-mirror DIR] [-bundle] [-every 10m] [options]",
		Description:  exitCodesHelp,
		Flags:        cfg.flags(),
		OnUsageError: program.OnUsageError,
		Action:       program.Action(cfg.check, func(ctx context.Context) error { return a.sync(ctx, &cfg) }),
	}
}

func (cfg *syncConfig) flags() []cli.Flag {
	list := append(cfg.dirs.Flags(), cfg.dirs.ManifestFlag(), cfg.dirs.LogDirFlag(),
		&cli.BoolFlag{Name: "checkout", Usage: "clone the index with a working tree, which is faster to read and takes 3 GB more; an existing clone is not changed", Destination: &cfg.checkout},
		&cli.BoolFlag{Name: "skip-index-update", Usage: "do not update the index", Destination: &cfg.skipIndexUpdate},
		&cli.IntFlag{Name: "keep-days", Usage: "keep the last `N` days of the index's history, and the last day of each month before (default: every day)", HideDefault: true, Destination: &cfg.keepDays},
		&cli.BoolFlag{Name: "exclude-yanked", Category: flags.Choice, Usage: "leave out yanked versions (builds with a Cargo.lock need them)", Destination: &cfg.excludeYanked},
		cfg.Shard.Flag("mirror only"),
		&cli.BoolFlag{Name: "sidecars", Usage: "write a JSON file about each version beside its crate file, and keep it up to date", Destination: &cfg.sidecars},
		&cli.StringSliceFlag{Name: "attest", Usage: "when the mirror is complete, state so, signed with the private key in `FILE`, as clonecratesio attest does; with -every, once an hour", Destination: &cfg.attest.Keys, TakesFile: true},
		cfg.attest.Password.Flag(),
		&cli.DurationFlag{Name: "every", Usage: "keep running: start a round this often, such as 10m, until stopped", Destination: &cfg.every},
		&cli.DurationFlag{Name: "bundle-every", Usage: "with -bundle and -every: finish the open bundle when it is this old, such as 24h, and when stopped; 0 = only when it is full", Destination: &cfg.bundleEvery},
	)
	list = append(list, cfg.index.Flags()...)
	list = append(list, cfg.push.Flags()...)
	list = append(list, cfg.deep.Flags()...)
	list = append(list, cfg.part.Flags()...)
	return append(list, cfg.Run.Flags()...)
}

// minEvery is the minimum of -every: a mistyped unit (10ms for 10m) must not flood upstream.
const minEvery = time.Second

func (cfg *syncConfig) check() error {
	if cfg.every != 0 && cfg.every < minEvery {
		return flags.Usagef("-every is %v, want %v or more", cfg.every, minEvery)
	}
	if cfg.skipIndexUpdate && (cfg.index.Given() || cfg.checkout || cfg.keepDays != 0) {
		return flags.Usagef("-index-url, -index-changes, -checkout and -keep-days have no effect with -skip-index-update")
	}
	if cfg.keepDays < 0 {
		return flags.Usagef("-keep-days is %d, want 1 or more, or 0 for every day", cfg.keepDays)
	}
	if cfg.sidecars && cfg.part.Chooses() {
		return flags.Usagef("-sidecars describes all of the index, not a part of it")
	}
	if len(cfg.attest.Keys) > 0 && (cfg.part.Chooses() || cfg.excludeYanked) {
		return flags.Usagef("-attest states that all of the index is held: for a part of it there is clonecratesio attest -partial")
	}
	if cfg.bundleEvery < 0 || cfg.bundleEvery > 0 && (!cfg.Bundle || cfg.every == 0) {
		return flags.Usagef("-bundle-every is %v: it wants a duration, with -bundle and -every", cfg.bundleEvery)
	}
	cfg.dirs.Fill()
	cfg.Home = cfg.dirs.Dirs
	cfg.Listen.Needed = cfg.every > 0
	if cfg.push.URL != "" {
		cfg.Bundle = true
	}
	return errors.Join(cfg.index.Check(), cfg.part.Check(), cfg.deep.Check(), cfg.push.Check(), cfg.Run.Check(), cfg.checkShard())
}

// checkShard rejects flags that need the whole index if a shard was chosen.
func (cfg *syncConfig) checkShard() error {
	switch {
	case cfg.Shard.All():
		return nil
	case cfg.sidecars:
		return flags.Usagef("-sidecars describes all of the index, not a shard of it")
	case len(cfg.attest.Keys) > 0:
		return flags.Usagef("-attest states that all of the index is held: for a shard of it there is clonecratesio attest -partial")
	}
	return nil
}

// sync updates the index and the mirror, once or every so often.
func (a *App) sync(ctx context.Context, cfg *syncConfig) (err error) {
	show, log := cfg.Progress.Terminal(a.Stderr, &cfg.Log)
	if err := cfg.Net.FitOpenFiles(log); err != nil {
		return err
	}
	if err := cfg.index.Locate(ctx); err != nil {
		return err
	}
	if err := cfg.checkIndex(ctx, log); err != nil {
		return err
	}
	signers, err := cfg.attest.Open(ctx, a.Stderr)
	if err != nil {
		return err
	}
	to, err := openManifest(ctx, &cfg.Run)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, to.Close()) }()
	cfg.hintBundles(log)
	if err := cfg.Origin.ResolveIn(ctx, cfg.dirs.Index, log); err != nil {
		log.Debug("the index will say where crates are once it is updated", "err", err)
	}
	var stated *attest.Result
	session := a.sessionConfig(&cfg.Run, &to, show, log)
	if cfg.push.URL != "" {
		if session.Push, err = cfg.push.Pusher(ctx, &session.Home); err != nil {
			return err
		}
	}
	job := a.followConfig(cfg, session, show)
	if cfg.index.Sparse() {
		index := cfg.index.Follow(func() (*upstream.Client, error) { return a.IndexUpstream(&cfg.Net, log) }, &cfg.part, cfg.Net.Concurrency, log)
		job.Update.Carried, job.Doubt, job.Early = index.Bring, index.Doubt(cfg.AllowMissing, log), index.Early(cfg.every)
	}
	if signers != nil {
		job.State = func(ctx context.Context, w *home.Writer) (err error) {
			stated, err = a.stateRound(ctx, cfg, w, signers, log)
			return err
		}
	}
	if cfg.deep.Pack {
		job.Pack = func(ctx context.Context, w *home.Writer) error { return cfg.packRound(ctx, w, show, log) }
	}
	f := follow.New(job)
	if cfg.every > 0 {
		return f.Follow(ctx)
	}
	err = f.Once(ctx)
	cfg.Home.Remote = session.Home.Dirs.Remote // printRun names the bucket
	a.printRun(f.Summary(), &cfg.Run, &to, log)
	if stated != nil {
		err = errors.Join(err, printStatement(to.Results(a.Stdout, a.Stderr), stated, &cfg.Home))
	}
	return err
}

// checkIndex rejects an empty index that will not be updated, before anything is changed.
func (cfg *syncConfig) checkIndex(ctx context.Context, log *slog.Logger) error {
	if !cfg.skipIndexUpdate || cfg.AcceptShrink {
		return nil
	}
	ix, err := cfg.dirs.OpenIndex(ctx, log)
	if err != nil {
		return err
	}
	return errors.Join(ix.CheckNotEmpty(ctx), ix.Close())
}

// followConfig returns the configuration of the rounds of sync.
func (a *App) followConfig(cfg *syncConfig, session follow.SessionConfig, show *console.Display) follow.Config {
	log := session.Log
	f := follow.Config{
		SessionConfig: session, Every: cfg.every, PushEvery: cfg.push.Every, BundleEvery: cfg.bundleEvery, AcceptShrink: cfg.AcceptShrink, AllowMissing: cfg.AllowMissing,
		WatchUpdate: func(look func() string) (stop func()) {
			return show.Follow(func() console.State { return follow.UpdateState(look()) }, log)
		},
		Job: func(ctx context.Context, ix *index.Index, source plan.Source) (mirror.Config, error) {
			err := cfg.Origin.Resolve(ctx, ix, log)
			job := cfg.Job(source, log)
			job.IncludeYanked, job.AllowEmpty = !cfg.excludeYanked, cfg.part.AllowEmpty
			return job, err
		},
		Ended: func(s *mirror.Summary) { logSummary(log, s, &cfg.Run) },
	}
	if !cfg.skipIndexUpdate {
		f.Update = &clone.Config{Dir: cfg.dirs.Index, URL: cfg.index.URL, Checkout: cfg.checkout, KeepDays: cfg.keepDays, Log: log}
	}
	if cfg.part.Chooses() {
		f.Part = func(ctx context.Context, ix *index.Index) (plan.Source, error) {
			return cfg.part.Source(ctx, ix, nil, !cfg.excludeYanked, show, log)
		}
	}
	if cfg.sidecars {
		f.Describe = func(ctx context.Context, ix *index.Index) error { return a.describeRound(ctx, cfg, ix, show, log) }
	}
	return f
}

// describeRound updates the sidecars of the versions in ix after a round.
func (a *App) describeRound(ctx context.Context, cfg *syncConfig, ix *index.Index, show *console.Display, log *slog.Logger) error {
	sum, err := a.describe(ctx, &sidecarsConfig{
		mode: "files", out: cfg.Home.Crates, origin: cfg.Origin, includeYanked: !cfg.excludeYanked,
		acceptShrink: true, // ix may have only what has changed; no files are removed
		concurrency:  cfg.Net.Concurrency,
	}, stream.Target{}, ix, show, log)
	if err == nil || verdict.Is(err) {
		log.Info("sidecars", "written", sum.Counts.Written, "existing", sum.Counts.Kept, "errors", sum.Counts.Problems)
	}
	return err
}

// stateRound signs a statement about the mirror after a round.
func (a *App) stateRound(ctx context.Context, cfg *syncConfig, w *home.Writer, by *attest.Signers, log *slog.Logger) (*attest.Result, error) {
	r, err := a.state(ctx, w, &cfg.Home, by, log, func(job *attest.Config) { job.Partial = cfg.AllowMissing })
	if err != nil {
		return nil, err
	}
	log.Info("stated what is held", "held", r.Held, "of", r.Named, "leaves", r.N, "new", r.New, "log", cfg.Home.Statements)
	return r, nil
}

// hintBundles logs a hint if the mirror has bundles but -bundle is not set, because it may
// have been forgotten: a mirror does not remember how its crates are stored. A mirror of
// both kinds may be intended, so this is not a warning, and -quiet hides it.
func (cfg *syncConfig) hintBundles(log *slog.Logger) {
	if !cfg.Bundle && cfg.Home.HasBundles() {
		log.Info(fmt.Sprintf("there are bundles in %s, but without -bundle new crates become loose files", cfg.Home.Bundles))
	}
}
