package fleetcli

import (
	"context"
	_ "embed"
	"errors"

	"github.com/urfave/cli/v3"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/admin"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/flags"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/fleet"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/program"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/telemetry"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/work"
)

//go:embed help/worker.txt
var workerHelp string

// workerConfig has the flags of worker.
type workerConfig struct {
	store    flags.Store
	queue    flags.Queue
	scratch  string
	jobs     int
	attempts int
	listen   flags.Listen
	log      flags.Log
}

// Worker returns the command that runs tasks.
func Worker(a *program.App) *cli.Command {
	var cfg workerConfig
	list := append([]cli.Flag{cfg.store.Flag("work on the mirror in this bucket")}, cfg.queue.Flags()...)
	list = append(list,
		&cli.IntFlag{Name: "jobs", Value: 1, Usage: "run `N` tasks at a time; each packing task takes up to a core and 1 GiB of memory", Destination: &cfg.jobs},
		&cli.IntFlag{Name: "attempts", Value: 4, Usage: "set a task aside after it failed `N` times", Destination: &cfg.attempts},
		scratchFlag(&cfg.scratch),
		cfg.listen.Flag("admin-listen", ":9092"))
	return &cli.Command{
		Name:         "worker",
		Usage:        "run tasks of clonecratesio work until stopped",
		ArgsUsage:    "-store URL -nats URL [-jobs N]",
		Description:  workerHelp,
		Flags:        append(list, cfg.log.Flags()...),
		OnUsageError: program.OnUsageError,
		Action:       program.Action(cfg.check, func(ctx context.Context) error { return cfg.run(ctx, a) }),
	}
}

// maxJobs is more than the cores of any machine.
const maxJobs = 1024

func (cfg *workerConfig) check() error {
	switch {
	case cfg.store.URL == "":
		return flags.Usagef("-store is missing: the bucket that the mirror is in")
	case cfg.jobs < 1 || cfg.jobs > maxJobs:
		return flags.Usagef("-jobs is %d, want 1 to %d", cfg.jobs, maxJobs)
	case cfg.attempts < 1:
		return flags.Usagef("-attempts is %d, want 1 or more", cfg.attempts)
	}
	return errors.Join(cfg.store.Check(), cfg.queue.Check(), cfg.log.Check())
}

// run runs the command.
func (cfg *workerConfig) run(ctx context.Context, a *program.App) (err error) {
	log := cfg.log.Logger(a.Stderr)
	in, err := cfg.store.Open(ctx, false, log)
	if err != nil {
		return err
	}
	queue, err := cfg.queue.Open(workerName(), log)
	if err != nil {
		return err
	}
	defer queue.Close()
	dir, remove, err := newScratch(cfg.scratch)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, remove()) }()
	empty, err := durable.Open(dir)
	if err != nil {
		return err
	}
	defer empty.Close()
	m := new(work.Metrics)
	stop, err := cfg.listen.Serve(admin.Handler(admin.Config{Status: func() any { return m.Now() }, Metrics: append(m.Collectors(), telemetry.Build(program.Version()))}), log)
	if err != nil {
		return err
	}
	defer stop()
	log.Info("waiting for tasks", "store", in.String(), "jobs", cfg.jobs)
	return work.Worker{
		Bucket: in, Queue: queue, Name: workerName(), Jobs: cfg.jobs, Attempts: cfg.attempts, Metrics: m, Log: log,
		Do: map[string]work.Doer{fleet.Verify: fleet.Verifier(in, empty), fleet.Repack: fleet.Packer(in, dir)},
	}.Run(ctx)
}
