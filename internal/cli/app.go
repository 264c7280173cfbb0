// Package cli is the commands: flags in, typed configurations out, exit codes
// back. Every subcommand is a file of its own; no package below this one reads
// a flag or knows a terminal.
package cli

import (
	"context"
	"os"

	"github.com/urfave/cli/v3"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/airgapcli"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/flags"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/fleetcli"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/gatecli"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/policycli"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/program"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/replicacli"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/servecli"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/signcli"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/treecli"
)

// App is the commands in their surroundings; the zero value is in the real ones.
type App struct{ program.App }

// Main runs one of the programs with the process's arguments and surroundings
// and returns its exit code.
func Main(command func(*App) *cli.Command) int {
	return (&App{program.App{Exit: os.Exit}}).Run(command, os.Args)
}

// Run runs one of the programs: Root, DownloadCrates, ExtractBundles or
// GenerateSidecars.
func (a *App) Run(command func(*App) *cli.Command, args []string) int {
	return a.App.Run(func() *cli.Command { return command(a) }, args)
}

// Root is clonecratesio.
func Root(a *App) *cli.Command {
	return &cli.Command{
		Name:                  "clonecratesio",
		Usage:                 "mirror crates.io: every byte proved, nothing lost",
		Version:               program.Version(),
		EnableShellCompletion: true,
		Suggest:               true,
		Commands: []*cli.Command{
			demoCommand(a), syncCommand(a), planCommand(a), downloadCommand(a, "download"), sidecarsCommand(a, "sidecars"),
			extractCommand(a, "extract"), servecli.Serve(&a.App, exitCodesHelp), exportCommand(a), airgapcli.Import(&a.App, helpText("import", "exit-codes")), treecli.ImportTree(&a.App, exitCodesHelp), doctorCommand(a), statusCommand(a), diffCommand(a), verifyCommand(a), inspectCommand(a),
			reindexCommand(a), replicacli.Replicate(&a.App), pruneCommand(a), repackCommand(a), fleetcli.Work(&a.App), fleetcli.Worker(&a.App), quarantineCommand(a), acceptCommand(a),
			gatecli.Block(&a.App), gatecli.Unblock(&a.App), gatecli.Token(&a.App), signcli.Key(&a.App), attestCommand(a), signcli.Prove(&a.App, exitCodesHelp), signcli.Check(&a.App), policycli.Policy(&a.App),
		},
		OnUsageError: program.OnUsageError,
		Action: func(_ context.Context, cmd *cli.Command) error {
			if name := cmd.Args().First(); name != "" {
				return flags.Usagef("there is no command %q", name)
			}
			return cli.ShowRootCommandHelp(cmd)
		},
		Description: exitCodesHelp,
	}
}

// DownloadCrates is download-crates, the name of the download command in v1.1.0.
func DownloadCrates(a *App) *cli.Command {
	cmd := downloadCommand(a, "download-crates")
	cmd.Version = program.Version()
	return cmd
}

// ExtractBundles is extract-bundles, the name of the extract command in v1.1.0.
func ExtractBundles(a *App) *cli.Command {
	cmd := extractCommand(a, "extract-bundles")
	cmd.Version = program.Version()
	return cmd
}

// GenerateSidecars is generate-sidecars, the name of the sidecars command in
// v1.1.0.
func GenerateSidecars(a *App) *cli.Command {
	cmd := sidecarsCommand(a, "generate-sidecars")
	cmd.Version = program.Version()
	return cmd
}
