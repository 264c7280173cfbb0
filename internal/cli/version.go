package cli

import (
	"context"
	"fmt"

	"github.com/urfave/cli/v3"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/console"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/flags"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/program"
)

func versionCommand(a *App) *cli.Command {
	var asJSON bool
	return &cli.Command{
		Name:         "version",
		Usage:        "show which build this is: version, commit, Go, system",
		ArgsUsage:    "[-json]",
		Flags:        []cli.Flag{flags.JSON(&asJSON, "print one JSON object")},
		OnUsageError: program.OnUsageError,
		Action: program.Action(program.Nothing, func(context.Context) error {
			b := program.ThisBuild()
			if asJSON {
				return console.JSON(a.Stdout, b)
			}
			_, err := fmt.Fprintln(a.Stdout, b)
			return err
		}),
	}
}
