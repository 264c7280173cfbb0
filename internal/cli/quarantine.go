package cli

import (
	"context"
	"fmt"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/urfave/cli/v3"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/flags"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/human"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/program"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/status"
)

// quarantineConfig holds the flags of quarantine.
type quarantineConfig struct {
	dirs              flags.Dirs
	settle, settleAll bool
	json              bool
	only              crate.ID // the version to settle, with -settle
}

func quarantineCommand(a *App) *cli.Command {
	var cfg quarantineConfig
	return &cli.Command{
		Name:        "quarantine",
		Usage:       "list files in quarantine, and mark them as settled",
		ArgsUsage:   "[-mirror DIR] [-json] [-settle-all | -settle NAME VERSION]",
		Description: helpText("quarantine"),
		Flags: append(cfg.dirs.Flags(),
			&cli.BoolFlag{Name: "settle", Usage: "settle the files of the version NAME VERSION", Destination: &cfg.settle},
			&cli.BoolFlag{Name: "settle-all", Usage: "settle everything", Destination: &cfg.settleAll},
			flags.JSON(&cfg.json, "print one JSON object a line")),
		OnUsageError: program.OnUsageError,
		Action: func(ctx context.Context, cmd *cli.Command) error {
			err := cfg.check(cmd.Args().Slice())
			if err == nil {
				err = a.quarantine(ctx, &cfg)
			}
			return program.UsageOf(cmd, err)
		},
	}
}

func (cfg *quarantineConfig) check(args []string) error {
	switch {
	case cfg.settle && cfg.settleAll:
		return flags.Usagef("give one of -settle and -settle-all")
	case cfg.settle && len(args) != 2:
		return flags.Usagef("-settle wants a NAME and a VERSION")
	case !cfg.settle && len(args) > 0:
		return flags.Usagef("unexpected argument %q", args[0])
	case cfg.settle:
		cfg.only = crate.ID{Name: args[0], Version: args[1]}
	}
	cfg.dirs.Fill()
	return cfg.dirs.Check()
}

// quarantine lists the files in quarantine, or settles some of them.
func (a *App) quarantine(ctx context.Context, cfg *quarantineConfig) error {
	if cfg.settle || cfg.settleAll {
		return a.settle(cfg)
	}
	all, err := status.Quarantine(ctx, &cfg.dirs.Dirs)
	if err != nil {
		return err
	}
	if !cfg.json {
		return status.PrintQuarantine(a.Stdout, all)
	}
	for i := range all {
		if err := json.MarshalWrite(a.Stdout, &all[i], jsontext.AllowInvalidUTF8(true)); err != nil {
			return err
		}
		fmt.Fprintln(a.Stdout)
	}
	return nil
}

// settle marks the files in quarantine that the flags choose as settled, and prints them.
func (a *App) settle(cfg *quarantineConfig) error {
	folder, err := a.Folder(cfg.dirs.Crates)
	if err != nil {
		return err
	}
	defer folder.Close()
	chosen := func(id crate.ID) bool { return cfg.settleAll || id == cfg.only }
	settled := 0
	err = status.Settle(folder, chosen, func(file string) {
		fmt.Fprintf(a.Stdout, "settled: %s\n", human.Printable(file))
		settled++
	})
	if err == nil && settled == 0 && cfg.settle {
		err = fmt.Errorf("settling %s: there is nothing unsettled of it in quarantine", cfg.only)
	}
	return err
}
