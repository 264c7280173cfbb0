package cli

import (
	"context"
	"errors"

	"github.com/urfave/cli/v3"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/console"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/flags"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/plan"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/program"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/repack"
)

// planConfig holds the flags of plan.
type planConfig struct {
	dirs          flags.Dirs
	excludeYanked bool
	bundle, deep  bool
	json          bool
	part          flags.Part
	log           flags.Log
}

func planCommand(a *App) *cli.Command {
	var cfg planConfig
	list := append(cfg.dirs.Flags(),
		&cli.BoolFlag{Name: "exclude-yanked", Category: flags.Choice, Usage: "as for sync: leave out yanked versions", Destination: &cfg.excludeYanked},
		&cli.BoolFlag{Name: "bundle", Category: flags.Storage, Usage: "as for sync: store crates in bundles", Destination: &cfg.bundle},
		&cli.BoolFlag{Name: "deep", Usage: "also estimate the size in the deep archive, and the time that repack would need", Destination: &cfg.deep},
		flags.JSON(&cfg.json, "print one JSON object"),
	)
	list = append(list, cfg.part.Flags()...)
	list = append(list, cfg.log.Flags()...)
	return &cli.Command{
		Name:         "plan",
		Usage:        "estimate what sync would download, how large it is, and whether it fits",
		ArgsUsage:    "[-mirror DIR] [options]",
		Description:  helpText("plan", "exit-codes"),
		Flags:        list,
		OnUsageError: program.OnUsageError,
		Action:       program.Action(cfg.check, func(ctx context.Context) error { return a.plan(ctx, &cfg) }),
	}
}

func (cfg *planConfig) check() error {
	cfg.dirs.Fill()
	return errors.Join(cfg.part.Check(), cfg.log.Check())
}

func (a *App) plan(ctx context.Context, cfg *planConfig) error {
	log := cfg.log.Logger(a.Stderr)
	ix, err := cfg.dirs.OpenIndex(ctx, log)
	if err != nil {
		return err
	}
	defer ix.Close()
	source, err := cfg.part.Source(ctx, ix, nil, !cfg.excludeYanked, console.NewDisplay(a.Stderr, console.Lines{}), log)
	if err != nil {
		return err
	}
	run := flags.Run{Home: cfg.dirs.Dirs, Bundle: cfg.bundle, AcceptShrink: true}
	job := run.Job(source, log)
	job.IncludeYanked, job.AllowEmpty = !cfg.excludeYanked, cfg.part.AllowEmpty
	var counted repack.Counter
	totals, err := plan.Against(ctx, &run.Home, job.Config, &counted)
	if err == nil && totals.Crates+totals.Bad == 0 && !cfg.part.AllowEmpty {
		err = index.ErrEmpty
	}
	if err != nil {
		return err
	}
	f, err := totals.Forecast(cfg.dirs.State(), cfg.stores())
	if err != nil {
		return err
	}
	var deep *repack.Estimate
	if cfg.deep {
		if deep, err = counted.Estimate(ctx, &cfg.dirs.Dirs, f.MeanBytes); err != nil {
			return err
		}
	}
	if cfg.json {
		out := struct {
			plan.Forecast
			Deep *repack.Estimate `json:"deep,omitzero"`
		}{f, deep}
		return errors.Join(console.JSON(a.Stdout, out), totals.Verdict())
	}
	totals.Print(console.Wrap(a.Stdout))
	f.Print(console.Wrap(a.Stdout), cfg.stores())
	return errors.Join(deep.Print(console.Wrap(a.Stdout)), totals.Verdict())
}

// stores returns the folder in which sync would store new crates.
func (cfg *planConfig) stores() string {
	if cfg.bundle {
		return cfg.dirs.Bundles
	}
	return cfg.dirs.Crates
}
