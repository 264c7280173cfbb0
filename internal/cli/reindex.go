package cli

import (
	"context"
	"errors"

	"github.com/urfave/cli/v3"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/flags"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/home"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/plan"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/program"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/upstream"
)

// reindexConfig holds the flags of reindex.
type reindexConfig struct {
	dirs     flags.Dirs
	store    flags.Store
	log      flags.Log
	progress flags.Progress
}

func reindexCommand(a *App) *cli.Command {
	var cfg reindexConfig
	list := append(cfg.dirs.Flags(), cfg.dirs.ManifestFlag(),
		cfg.store.Flag("for the contents of this bucket, read the lists that its root names instead of the crates"))
	list = append(list, cfg.log.Flags()...)
	list = append(list, cfg.progress.Flags()...)
	return &cli.Command{
		Name:         "reindex",
		Usage:        "rebuild the catalog by hashing every stored file and bundle",
		ArgsUsage:    "[-mirror DIR] [-store URL]",
		Description:  helpText("reindex", "exit-codes"),
		Flags:        list,
		OnUsageError: program.OnUsageError,
		Action:       program.Action(cfg.check, func(ctx context.Context) error { return a.reindex(ctx, &cfg) }),
	}
}

func (cfg *reindexConfig) check() error {
	cfg.dirs.Fill()
	err := cfg.dirs.Check()
	if noMirror := new(home.NoMirrorError); errors.As(err, &noMirror) && (noMirror.Crates || cfg.store.URL != "") {
		err = nil // reindex makes the missing catalog
	}
	return errors.Join(cfg.store.Check(), cfg.log.Check(), cfg.progress.Check(), err)
}

// reindex mirrors into an empty catalog, without upstream: this hashes all stored files.
func (a *App) reindex(ctx context.Context, cfg *reindexConfig) error {
	show, log := cfg.progress.Terminal(a.Stderr, &cfg.log)
	ix, err := cfg.dirs.OpenIndex(ctx, log)
	if err != nil {
		return err
	}
	defer ix.Close()
	run := flags.Run{
		Home: cfg.dirs.Dirs, Durability: flags.Batches, NewCatalog: true, Net: flags.Net{Protocol: "auto"},
	}
	if err := run.Origin.Resolve(ctx, ix, log); err != nil {
		return err
	}
	if cfg.store.URL != "" {
		if err := cfg.store.ReadInto(ctx, &run.Home, log); err != nil {
			return err
		}
	}
	job := run.Job(plan.FromIndex(ix, nil), log)
	job.Fetch, job.IncludeYanked, job.HeldOnly = offline{}, true, true
	return a.mirror(ctx, &run, job, show)
}

// offline is the fetcher of a run without upstream. Every download fails.
type offline struct{}

// Fetch implements mirror.Fetcher.
func (offline) Fetch(context.Context, upstream.Request) (*upstream.Body, upstream.Stats, error) {
	return nil, upstream.Stats{}, errors.New("not downloaded: reindex works offline; the next sync will")
}
