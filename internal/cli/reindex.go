package cli

import (
	"context"
	"errors"

	"github.com/urfave/cli/v3"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/home"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/plan"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/upstream"
)

// reindexConfig is the flags of reindex.
type reindexConfig struct {
	dirs
	log      logConfig
	progress progressConfig
}

func reindexCommand(a *App) *cli.Command {
	var cfg reindexConfig
	flags := append(cfg.dirs.flags(), cfg.manifestFlag())
	flags = append(flags, cfg.log.flags()...)
	flags = append(flags, cfg.progress.flags()...)
	return &cli.Command{
		Name:         "reindex",
		Usage:        "make the catalog anew, by hashing every file and bundle that is there",
		ArgsUsage:    "[-mirror DIR]",
		Description:  helpText("reindex", "exit-codes"),
		Flags:        flags,
		OnUsageError: onUsageError,
		Action:       action(cfg.check, func(ctx context.Context) error { return a.reindex(ctx, &cfg) }),
	}
}

func (cfg *reindexConfig) check() error {
	cfg.fill()
	err := cfg.dirs.Check()
	if noMirror := new(home.NoMirrorError); errors.As(err, &noMirror) && noMirror.Crates {
		err = nil // crates without a catalog are what this is for
	}
	return errors.Join(cfg.log.check(), cfg.progress.check(), err)
}

// reindex is a run of the main job that fetches nothing and knows nothing.
func (a *App) reindex(ctx context.Context, cfg *reindexConfig) error {
	show, log := a.terminal(&cfg.progress, &cfg.log)
	ix, err := cfg.OpenIndex(ctx, log)
	if err != nil {
		return err
	}
	defer ix.Close()
	run := runConfig{
		home: cfg.Dirs, durability: "batch", newCatalog: true, net: netConfig{protocol: "auto"},
	}
	if err := run.origin.resolve(ctx, ix, log); err != nil {
		return err
	}
	job := run.job(plan.FromIndex(ix, nil), log)
	job.Fetch, job.IncludeYanked, job.HeldOnly = nobody{}, true, true
	return a.mirror(ctx, &run, job, show)
}

// nobody is asked for crates by a run that does without upstream.
type nobody struct{}

// Fetch implements mirror.Fetcher.
func (nobody) Fetch(context.Context, upstream.Request) (*upstream.Body, upstream.Stats, error) {
	return nil, upstream.Stats{}, errors.New("not fetched: this run asks nobody; the next sync will")
}
