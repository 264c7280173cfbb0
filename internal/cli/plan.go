package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/urfave/cli/v3"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/console"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/flags"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/human"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/plan"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/program"
)

// planConfig is the flags of plan.
type planConfig struct {
	dirs          flags.Dirs
	excludeYanked bool
	bundle        bool
	json          bool
	part          flags.Part
	log           flags.Log
}

func planCommand(a *App) *cli.Command {
	var cfg planConfig
	list := append(cfg.dirs.Flags(),
		&cli.BoolFlag{Name: "exclude-yanked", Usage: "as for sync: leave yanked versions out", Destination: &cfg.excludeYanked},
		&cli.BoolFlag{Name: "bundle", Usage: "as for sync: into bundles", Destination: &cfg.bundle},
		flags.JSON(&cfg.json, "one JSON object"),
	)
	list = append(list, cfg.part.Flags()...)
	list = append(list, cfg.log.Flags()...)
	return &cli.Command{
		Name:         "plan",
		Usage:        "say what a sync would fetch, how large that is, and whether it fits",
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
	totals, err := plan.Against(ctx, &run.Home, job.Config)
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
	if cfg.json {
		return errors.Join(json.MarshalWrite(a.Stdout, f), totals.Verdict())
	}
	a.printForecast(totals, f, cfg)
	return totals.Verdict()
}

// stores is the folder that new crates go to.
func (cfg *planConfig) stores() string {
	if cfg.bundle {
		return cfg.dirs.Bundles
	}
	return cfg.dirs.Crates
}

// printForecast says it to a person.
func (a *App) printForecast(totals plan.Totals, f plan.Forecast, cfg *planConfig) {
	totals.Print(a.Stdout)
	if f.ToFetch == 0 {
		fmt.Fprintf(a.Stdout, "\nnothing is to be fetched\n")
		return
	}
	why := "the mean on crates.io"
	if f.MeanIsHeld {
		why = "the mean of what is held"
	}
	fmt.Fprintf(a.Stdout, "\nto fetch: about %s, estimated with %s a version, %s\n", human.Size(f.FetchBytes), human.Size(f.MeanBytes), why)
	switch {
	case f.FreeBytes < 0:
		fmt.Fprintf(a.Stdout, "free in %s: not known\n", cfg.stores())
	case f.Fits:
		fmt.Fprintf(a.Stdout, "free in %s: %s, so it fits\n", cfg.stores(), human.Size(f.FreeBytes))
	default:
		fmt.Fprintf(a.Stdout, "free in %s: %s, so it does not fit\n", cfg.stores(), human.Size(f.FreeBytes))
	}
	if f.ETASec > 0 {
		fmt.Fprintf(a.Stdout, "time: about %s, at %s versions a second as the last time\n",
			time.Duration(f.ETASec*float64(time.Second)).Round(time.Second), human.Count(int64(f.Rate)))
	} else {
		fmt.Fprintf(a.Stdout, "time: not known until some hundred versions have been fetched\n")
	}
}
