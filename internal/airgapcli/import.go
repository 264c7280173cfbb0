package airgapcli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"

	"github.com/urfave/cli/v3"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/console"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/flags"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/program"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/signing"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/transfer/receive"
)

// importConfig holds the flags of import.
type importConfig struct {
	dirs         flags.Dirs
	from         []string
	keys         []string
	unsigned     bool
	acceptShrink bool
	undo         bool
	state        string
	log          flags.Log
	progress     flags.Progress
}

// Import returns the command that imports a transfer.
func Import(a *program.App, description string) *cli.Command {
	var cfg importConfig
	list := append(cfg.dirs.Flags(), cfg.dirs.ManifestFlag(),
		&cli.StringSliceFlag{Name: "from", Usage: "read the volumes in `DIR`, and in folders below it; may be repeated", Destination: &cfg.from, TakesFile: true},
		&cli.StringSliceFlag{Name: "key", Usage: "accept transfers signed by the public `KEY`, given as text or as its file; of several keys, one is enough", Destination: &cfg.keys, TakesFile: true},
		&cli.BoolFlag{Name: "unsigned", Usage: "accept transfers without a signature, from any source", Destination: &cfg.unsigned},
		&cli.BoolFlag{Name: "accept-shrink", Usage: "accept an index that lost many crates, or is older than the one here", Destination: &cfg.acceptShrink},
		&cli.BoolFlag{Name: "undo", Usage: "undo the last import: serve what was served before", Destination: &cfg.undo},
		&cli.StringFlag{Name: "state", Usage: "write what this mirror has to `FILE`, for the sending side (export -since FILE)", Destination: &cfg.state, TakesFile: true},
	)
	list = append(list, cfg.log.Flags()...)
	return &cli.Command{
		Name:         "import",
		Usage:        "import a transfer that was carried across an air gap",
		ArgsUsage:    "-from DIR [-from DIR2] -key KEY [-mirror DIR] | -undo | -state FILE",
		Description:  description,
		Flags:        append(list, cfg.progress.Flags()...),
		OnUsageError: program.OnUsageError,
		Action:       program.Action(cfg.check, func(ctx context.Context) error { return cfg.run(ctx, a) }),
	}
}

// check rejects contradictory flags before anything is touched.
func (cfg *importConfig) check() error {
	jobs := 0
	for _, asked := range []bool{len(cfg.from) > 0, cfg.undo, cfg.state != ""} {
		if asked {
			jobs++
		}
	}
	switch {
	case jobs != 1:
		return flags.Usagef("give one of -from, -undo and -state")
	case len(cfg.from) > 0 && (len(cfg.keys) > 0) == cfg.unsigned:
		return flags.Usagef("give -key, the public key of the sending side; or -unsigned to take it from any source")
	}
	cfg.dirs.Fill()
	var err error
	if len(cfg.from) == 0 {
		err = cfg.dirs.Check()
	}
	return errors.Join(cfg.log.Check(), cfg.progress.Check(), err)
}

// run runs the command.
func (cfg *importConfig) run(ctx context.Context, a *program.App) error {
	_, log := cfg.progress.Terminal(a.Stderr, &cfg.log)
	job, err := cfg.job(a, log)
	if err != nil {
		return err
	}
	switch {
	case cfg.undo:
		at, err := receive.Back(ctx, job)
		if err == nil {
			fmt.Fprintf(a.Stdout, "the last import was taken back: %s is at %s again\n", cfg.dirs.Crates, receive.Where(at))
		}
		return err
	case cfg.state != "":
		return cfg.writeState(ctx, a, job)
	}
	result, err := receive.Run(ctx, job)
	if result != nil && (err == nil || len(result.Taken) > 0) {
		result.Print(console.Wrap(a.Stdout))
	}
	if err != nil {
		return receive.Verdict(err)
	}
	return result.Verdict()
}

func (cfg *importConfig) job(a *program.App, log *slog.Logger) (job receive.Config, err error) {
	run := flags.Run{Home: cfg.dirs.Dirs, Durability: flags.Batches, Bundle: true, BundleMode: "only", Net: flags.Net{Protocol: "auto"}}
	job = receive.Config{From: cfg.from, AcceptShrink: cfg.acceptShrink, Log: log}
	for _, key := range cfg.keys {
		keys, err := signing.OpenPublic(key)
		if err != nil {
			return job, err
		}
		job.Keys = append(job.Keys, keys...)
	}
	run.Origin.URLs = crate.CratesIOURLs
	job.Home = a.HomeConfig(&run, log)
	job.Home.Manifest = cfg.dirs.Manifest
	return job, nil
}

// writeState writes the state file, which lists what the mirror holds.
func (cfg *importConfig) writeState(ctx context.Context, a *program.App, job receive.Config) (err error) {
	folder, err := a.Folder(filepath.Dir(cfg.state))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, folder.Close()) }()
	err = durable.FillFile(folder, filepath.Base(cfg.state), func(w io.Writer) error {
		at, err := receive.State(ctx, job, w)
		if err == nil {
			fmt.Fprintf(a.Stdout, "%s says what is held at %s: clonecratesio export -since %s -to DIR, on the sending side\n", cfg.state, at.ID(), filepath.Base(cfg.state))
		}
		return err
	})
	return err
}
