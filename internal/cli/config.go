package cli

import (
	"context"
	"fmt"
	"text/tabwriter"

	"github.com/urfave/cli/v3"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/console"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/flags"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/human"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/manual"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/program"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/settings"
)

// configConfig holds the flags of config show.
type configConfig struct {
	mirror    string
	all, json bool
}

func configCommand(a *App) *cli.Command {
	var cfg configConfig
	return &cli.Command{
		Name:      "config",
		Usage:     "show the settings that a mirror remembers",
		ArgsUsage: "show [COMMAND] [-mirror DIR] [-all] [-json]",
		Commands: []*cli.Command{{
			Name:        "show",
			Usage:       "show which settings a command takes from the mirror's file and the environment",
			ArgsUsage:   "[COMMAND] [-mirror DIR] [-all] [-json]",
			Description: helpText("config"),
			Flags: []cli.Flag{
				&cli.StringFlag{Name: "mirror", Value: flags.DefaultMirror(), DefaultText: "~/Rust-Crates", Sources: cli.EnvVars("CLONECRATESIO_MIRROR"), Usage: "folder `DIR` of the mirror", Destination: &cfg.mirror, TakesFile: true},
				&cli.BoolFlag{Name: "all", Usage: "also list settings that have their defaults", Destination: &cfg.all},
				flags.JSON(&cfg.json, "print JSON, a line for each flag"),
			},
			OnUsageError: program.OnUsageError,
			Action: func(_ context.Context, cmd *cli.Command) error {
				return program.UsageOf(cmd, a.showConfig(cmd, &cfg))
			},
		}},
		OnUsageError: program.OnUsageError,
	}
}

func (a *App) showConfig(cmd *cli.Command, cfg *configConfig) error {
	name := "sync"
	switch cmd.Args().Len() {
	case 0:
	case 1:
		name = cmd.Args().First()
	default:
		return flags.Usagef("want one command, such as sync")
	}
	of := cmd.Root().Command(name)
	if of == nil {
		return manual.NoCommand(cmd.Root(), name)
	}
	if !settings.Reads(of) {
		return flags.Usagef("%s is about no mirror, and reads no settings", name)
	}
	list, err := settings.Show(cmd.Root(), of, cfg.mirror)
	if err != nil {
		return err
	}
	out := tabwriter.NewWriter(a.Stdout, 0, 8, 2, ' ', 0)
	for _, o := range list {
		switch {
		case o.From == "default" && !cfg.all:
		case cfg.json:
			if err := console.JSON(a.Stdout, o); err != nil {
				return err
			}
		default:
			fmt.Fprintf(out, "%s\t%s\t%s\n", o.Flag, human.Printable(o.Value), o.From)
		}
	}
	return out.Flush()
}
