package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/urfave/cli/v3"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/console"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/flags"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/plan"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/program"
)

// acceptConfig holds the flags of accept.
type acceptConfig struct {
	dirs flags.Dirs
	log  flags.Log
	id   crate.ID
	sum  *crate.Checksum // nil: the checksum in the index
}

func acceptCommand(a *App) *cli.Command {
	var cfg acceptConfig
	return &cli.Command{
		Name:         "accept",
		Usage:        "accept the new bytes of a version that was published again",
		ArgsUsage:    "[-mirror DIR] NAME VERSION [SHA256]",
		Description:  helpText("accept"),
		Flags:        append(cfg.dirs.Flags(), cfg.log.Flags()...),
		OnUsageError: program.OnUsageError,
		Action: func(ctx context.Context, cmd *cli.Command) error {
			err := cfg.check(cmd.Args().Slice())
			if err == nil {
				err = a.accept(ctx, &cfg)
			}
			return program.UsageOf(cmd, err)
		},
	}
}

func (cfg *acceptConfig) check(args []string) error {
	if len(args) != 2 && len(args) != 3 {
		return flags.Usagef("want NAME and VERSION, and perhaps SHA256")
	}
	cfg.id = crate.ID{Name: args[0], Version: args[1]}
	if err := cfg.id.Check(); err != nil {
		return flags.Usagef("%w", err)
	}
	if len(args) == 3 {
		sum, err := crate.ParseChecksum(args[2])
		if err != nil {
			return flags.Usagef("%w", err)
		}
		cfg.sum = &sum
	}
	cfg.dirs.Fill()
	return errors.Join(cfg.log.Check(), cfg.dirs.Check())
}

// accept records the new checksum of a version, so that the next sync stores its bytes.
func (a *App) accept(ctx context.Context, cfg *acceptConfig) (err error) {
	ix, err := cfg.dirs.OpenIndex(ctx, cfg.log.Logger(a.Stderr))
	if err != nil {
		return fmt.Errorf("accepting %s: %w", cfg.id, err)
	}
	defer ix.Close()
	named, before, err := plan.Accept(ctx, ix, cfg.dirs.Catalog(), cfg.id, cfg.sum)
	if errors.Is(err, plan.ErrNothingStored) {
		return fmt.Errorf("accepting %s: no bytes of it are stored, so none are in the way: clonecratesio sync downloads it", cfg.id)
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(console.Wrap(a.Stdout), "accepted: %s with sha256 %s; the next sync stores it, and keeps what is stored now (sha256 %s)\n",
		cfg.id, named, before)
	return err
}
