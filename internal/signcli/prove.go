package signcli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/urfave/cli/v3"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/attest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/flags"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/program"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/statement"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/tilelog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/verdict"
)

// proveConfig is the flags of prove.
type proveConfig struct {
	dirs  flags.Dirs
	id    crate.ID // zero with since
	sum   string
	since string
}

// Prove returns the command that writes proofs. exitCodes ends its help.
func Prove(a *program.App, exitCodes string) *cli.Command {
	var cfg proveConfig
	return &cli.Command{
		Name:        "prove",
		Usage:       "write a proof that a statement covers a version",
		ArgsUsage:   "[-mirror DIR | -log-dir DIR] NAME VERSION | -since CHECKPOINT",
		Description: help("prove") + "\n\n" + exitCodes,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "mirror", Value: flags.DefaultMirror(), DefaultText: "~/Rust-Crates", Usage: "read the log in the mirror `DIR`", Destination: &cfg.dirs.Root, TakesFile: true},
			&cli.StringFlag{Name: "log-dir", Usage: "read the log of statements in `DIR`. Default: log in -mirror", Destination: &cfg.dirs.Statements, TakesFile: true},
			&cli.StringFlag{Name: "sha256", Usage: "prove the bytes with this `CHECKSUM`, of a version that was published again (default: those stated last)", Destination: &cfg.sum},
			&cli.StringFlag{Name: "since", Usage: "prove that the log grew from the earlier checkpoint in `FILE`", Destination: &cfg.since, TakesFile: true},
		},
		OnUsageError: program.OnUsageError,
		Action: func(ctx context.Context, cmd *cli.Command) error {
			err := cfg.check(cmd.Args().Slice())
			if err == nil {
				err = prove(ctx, a, &cfg)
			}
			return program.UsageOf(cmd, err)
		},
	}
}

func (cfg *proveConfig) check(args []string) error {
	cfg.dirs.Fill()
	switch {
	case cfg.since != "" && (len(args) > 0 || cfg.sum != ""):
		return flags.Usagef("-since is about all of the log: give no NAME, VERSION or -sha256")
	case cfg.since != "":
		return nil
	case len(args) != 2:
		return flags.Usagef("want NAME and VERSION, or -since CHECKPOINT")
	}
	cfg.id = crate.ID{Name: args[0], Version: args[1]}
	if err := cfg.id.Check(); err != nil {
		return flags.Usagef("%w", err)
	}
	if cfg.sum != "" {
		if _, err := crate.ParseChecksum(cfg.sum); err != nil {
			return flags.Usagef("-sha256: %w", err)
		}
	}
	return nil
}

// prove runs the command.
func prove(ctx context.Context, a *program.App, cfg *proveConfig) error {
	folder, err := durable.Open(cfg.dirs.Statements)
	if err != nil {
		return proveError(err)
	}
	defer folder.Close()
	var proof []byte
	if cfg.since != "" {
		proof, err = proveSince(folder, cfg.since)
	} else {
		proof, err = proveVersion(ctx, a, folder, cfg)
	}
	if err != nil {
		return proveError(err)
	}
	_, err = a.Stdout.Write(proof)
	return err
}

func proveVersion(ctx context.Context, a *program.App, folder durable.Reader, cfg *proveConfig) ([]byte, error) {
	var sum *crate.Checksum
	if parsed, err := crate.ParseChecksum(cfg.sum); err == nil {
		sum = &parsed
	}
	p, others, err := attest.Prove(ctx, folder, cfg.id, sum)
	if err != nil {
		return nil, err
	}
	for _, other := range others {
		fmt.Fprintf(a.Stderr, "prove: %s was published again; its earlier bytes: -sha256 %s\n", cfg.id, other)
	}
	return p.Format(), nil
}

func proveSince(folder durable.Reader, file string) ([]byte, error) {
	old, err := attest.ReadFile(file, statement.MaxCheckpoint)
	if err != nil {
		return nil, err
	}
	p, err := attest.ProveSince(folder, old)
	if err != nil {
		return nil, err
	}
	return p.Format(), nil
}

// proveError returns an error that says what to do.
func proveError(err error) error {
	switch {
	case errors.Is(err, tilelog.ErrDamaged):
		return attest.DamagedLog(err)
	case errors.Is(err, attest.ErrNotContinued):
		return verdict.Integrityf("%v", err)
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w: clonecratesio attest makes a statement about all that is held", err)
	}
	return err
}
