// Package cli implements the commands of clonecratesio. Each command has a file, which checks
// the flags, configures the package that does the work, and prints the results. Packages that
// do the work read no flags and do not know whether they write to a terminal.
package cli

import (
	"context"
	"os"
	"slices"

	"github.com/urfave/cli/v3"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/airgapcli"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/fleetcli"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/gatecli"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/manual"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/policycli"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/program"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/replicacli"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/servecli"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/signcli"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/treecli"
)

// An App runs commands. The zero value uses the process's own streams, network and disk.
type App struct{ program.App }

// Main runs one of the programs with the process's arguments and returns its exit code.
func Main(command func(*App) *cli.Command) int {
	return (&App{program.App{Exit: os.Exit}}).Run(command, os.Args)
}

// Run runs [Root], [DownloadCrates], [ExtractBundles] or [GenerateSidecars], and returns the
// exit code; args[0] is the name of the program.
func (a *App) Run(command func(*App) *cli.Command, args []string) int {
	return a.App.Run(func() *cli.Command { return command(a) }, args)
}

// Root returns the command clonecratesio with all its subcommands.
func Root(a *App) *cli.Command {
	return &cli.Command{
		Name:    "clonecratesio",
		Usage:   "mirror crates.io: every byte proved, nothing lost",
		Version: program.Version(),
		Commands: slices.Concat(
			under("Start", demoCommand(a), planCommand(a), syncCommand(a), statusCommand(a)),
			under("Serve and export", servecli.Serve(&a.App, exitCodesHelp), exportCommand(a), doctorCommand(a)),
			under("Verify and repair", verifyCommand(a), quarantineCommand(a), acceptCommand(a), reindexCommand(a), diffCommand(a)),
			under("Download and import", downloadCommand(a, "download"), treecli.ImportTree(&a.App, exitCodesHelp), replicacli.Replicate(&a.App)),
			under("Air gap, bundles and metadata", airgapcli.Import(&a.App, helpText("import", "exit-codes")), inspectCommand(a), extractCommand(a, "extract"), sidecarsCommand(a, "sidecars")),
			under("Save space", repackCommand(a), pruneCommand(a)),
			under("Many machines", fleetcli.Work(&a.App), fleetcli.Worker(&a.App)),
			under("Control access", policycli.Policy(&a.App), gatecli.Block(&a.App), gatecli.Unblock(&a.App), gatecli.Token(&a.App)),
			under("Sign and prove", signcli.Key(&a.App), attestCommand(a), signcli.Prove(&a.App, exitCodesHelp), signcli.Check(&a.App)),
			under(manual.AboutProgram, configCommand(a), versionCommand(a)),
		),
		OnUsageError: program.OnUsageError,
		Action: func(_ context.Context, cmd *cli.Command) error {
			if name := cmd.Args().First(); name != "" {
				return manual.NoCommand(cmd, name)
			}
			return cli.ShowRootCommandHelp(cmd)
		},
		Description: "clonecratesio COMMAND -help describes a command and its flags.\n\n" + exitCodesHelp,
	}
}

// under sets the title under which the help lists commands, and returns them.
func under(title string, commands ...*cli.Command) []*cli.Command {
	for _, cmd := range commands {
		cmd.Category = title
	}
	return commands
}

// DownloadCrates returns download-crates, the name of the download command in v1.1.0.
func DownloadCrates(a *App) *cli.Command {
	cmd := downloadCommand(a, "download-crates")
	cmd.Version = program.Version()
	return cmd
}

// ExtractBundles returns extract-bundles, the name of the extract command in v1.1.0.
func ExtractBundles(a *App) *cli.Command {
	cmd := extractCommand(a, "extract-bundles")
	cmd.Version = program.Version()
	return cmd
}

// GenerateSidecars returns generate-sidecars, the name of the sidecars command in v1.1.0.
func GenerateSidecars(a *App) *cli.Command {
	cmd := sidecarsCommand(a, "generate-sidecars")
	cmd.Version = program.Version()
	return cmd
}
