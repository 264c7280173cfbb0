// Package fleetcli has the commands for mirrors in a bucket that many machines share: their
// flags, help and output.
package fleetcli

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/admin"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/console"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/flags"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/fleet"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/program"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/telemetry"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/work"
)

//go:embed help/work.txt
var workHelp string

// workConfig has the flags of work.
type workConfig struct {
	kind     string
	store    flags.Store
	queue    flags.Queue
	scratch  string
	taskMB   int64
	atLeast  int
	json     bool
	listen   flags.Listen
	log      flags.Log
	progress flags.Progress
}

// Work returns the command that runs a job.
func Work(a *program.App) *cli.Command {
	var cfg workConfig
	list := append([]cli.Flag{
		&cli.StringFlag{Name: "job", Usage: "`" + strings.Join(fleet.Kinds(), "|") + "`: hash everything in the bucket, or also pack bundled crates into the deep archive", Destination: &cfg.kind},
		cfg.store.Flag("work on the mirror in this bucket"),
	}, cfg.queue.Flags()...)
	list = append(list, cfg.queue.WaitFlag(),
		&cli.Int64Flag{Name: "task-mb", Value: 256, Usage: "for repack: put about this many `MiB` of crates into a task, and so into a segment", Destination: &cfg.taskMB},
		&cli.IntFlag{Name: "at-least", Value: 1, Usage: "for repack: skip crates with fewer than `N` versions to pack", Destination: &cfg.atLeast},
		scratchFlag(&cfg.scratch),
		flags.JSON(&cfg.json, "print one JSON object"),
		cfg.listen.Flag("admin-listen", ""))
	list = append(list, cfg.log.Flags()...)
	return &cli.Command{
		Name:         "work",
		Usage:        "verify or repack a mirror in a bucket with many workers",
		ArgsUsage:    "-job verify|repack -store URL -nats URL",
		Description:  workHelp,
		Flags:        append(list, cfg.progress.Flags()...),
		OnUsageError: program.OnUsageError,
		Action:       program.Action(cfg.check, func(ctx context.Context) error { return cfg.run(ctx, a) }),
	}
}

func scratchFlag(to *string) cli.Flag {
	return &cli.StringFlag{Name: "scratch", Value: os.TempDir(), DefaultText: "that of the system", Usage: "write temporary files to `DIR`", Destination: to, TakesFile: true}
}

const maxTaskMB = 4 << 10

func (cfg *workConfig) check() error {
	switch {
	case !slices.Contains(fleet.Kinds(), cfg.kind):
		return flags.Usagef("-job %q is none of %s", cfg.kind, strings.Join(fleet.Kinds(), ", "))
	case cfg.store.URL == "":
		return flags.Usagef("-store is missing: the bucket that the mirror is in")
	case cfg.taskMB < 1 || cfg.taskMB > maxTaskMB:
		return flags.Usagef("-task-mb is %d, want 1 to %d", cfg.taskMB, maxTaskMB)
	case cfg.atLeast < 1:
		return flags.Usagef("-at-least is %d, want 1 or more", cfg.atLeast)
	}
	return errors.Join(cfg.store.Check(), cfg.queue.Check(), cfg.log.Check(), cfg.progress.Check())
}

// run runs the command.
func (cfg *workConfig) run(ctx context.Context, a *program.App) error {
	show, log := cfg.progress.Terminal(a.Stderr, &cfg.log)
	in, err := cfg.store.Open(ctx, false, log)
	if err != nil {
		return err
	}
	name := workerName()
	queue, err := cfg.queue.Open(name, log)
	if err != nil {
		return err
	}
	defer queue.Close()
	p := new(work.Progress)
	stop, err := cfg.listen.Serve(admin.Handler(admin.Config{Status: func() any { return p.Now() }, Metrics: append(p.Collectors(), telemetry.Build(program.Version()))}), log)
	if err != nil {
		return err
	}
	defer stop()
	followed := show.Follow(p.State, log)
	sum, err := fleet.Job{
		Bucket: in, Queue: queue, Kind: cfg.kind, Scratch: cfg.scratch, Owner: name,
		TaskSize: cfg.taskMB << 20, AtLeast: cfg.atLeast, Progress: p, Log: log,
	}.Run(ctx)
	followed()
	if err != nil {
		return err
	}
	if cfg.json {
		err = console.JSON(a.Stdout, sum)
	} else {
		err = sum.Print(a.Stdout)
	}
	return errors.Join(err, sum.Verdict())
}

// workerName returns a name by which people can identify this process.
func workerName() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return fmt.Sprintf("%s:%d", host, os.Getpid())
}
