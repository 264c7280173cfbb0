// Package cli is the commands: flags in, typed configurations out, exit codes
// back. Every subcommand is a file of its own; no package below this one reads
// a flag or knows a terminal.
package cli

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"os/signal"
	"syscall"

	"github.com/urfave/cli/v3"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/console"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/flags"
)

// App is the program's surroundings. Tests replace them; the zero value is the
// real ones.
type App struct {
	Stdout, Stderr io.Writer
	Exit           func(code int) // at the second signal, when nothing is waited for
	// Dial replaces the network of upstream requests.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
	// Disk wraps every folder that is written to.
	Disk func(durable.FS) durable.FS
	// BundleSize replaces -bundle-size-gb, in bytes, if it is not 0.
	BundleSize int64
}

// Main runs one of the programs with the process's arguments and surroundings
// and returns its exit code.
func Main(program func(*App) *cli.Command) int {
	return (&App{Exit: os.Exit}).Run(program, os.Args)
}

// Run runs one of the programs: Root, DownloadCrates, ExtractBundles or
// GenerateSidecars.
func (a *App) Run(program func(*App) *cli.Command, args []string) int {
	if a.Stdout == nil {
		a.Stdout = os.Stdout
	}
	if a.Stderr == nil {
		a.Stderr = os.Stderr
	}
	if a.Disk == nil {
		a.Disk = func(fsys durable.FS) durable.FS { return fsys }
	}
	ctx, stop := a.untilSignal(context.Background())
	defer stop()
	stdout := a.Stdout
	out := console.NewResults(stdout)
	a.Stdout = out
	defer func() { a.Stdout = stdout }()
	cmd := program(a)
	cmd.Writer, cmd.ErrWriter = a.Stdout, a.Stderr
	cmd.ExitErrHandler = func(context.Context, *cli.Command, error) {} // report does it
	err := cmd.Run(ctx, args)
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		err = errors.Join(context.Cause(ctx), err) // why, and who met it
	}
	if failed := out.Err(); failed != nil && !errors.Is(err, errors.Unwrap(failed)) {
		err = errors.Join(err, failed)
	}
	return a.report(cmd.Name, err)
}

// untilSignal returns a context that ends at the first SIGINT or SIGTERM, with
// a *signalError as its cause. The second signal exits on the spot: whatever is
// durable stays so, and nothing else was promised.
func (a *App) untilSignal(parent context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(parent)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	ended := make(chan struct{})
	go func() {
		for first := true; ; first = false {
			select {
			case sig := <-signals:
				if !first && a.Exit != nil {
					a.Exit((&signalError{sig}).code())
				}
				cancel(&signalError{sig})
			case <-ended:
				return
			}
		}
	}()
	return ctx, func() { signal.Stop(signals); close(ended); cancel(nil) }
}

// action is what a command does that takes no arguments: it checks its flags,
// before anything is touched, and runs.
func action(check func() error, run func(context.Context) error) cli.ActionFunc {
	return func(ctx context.Context, cmd *cli.Command) error {
		if cmd.Args().Present() {
			return usageOf(cmd, flags.Usagef("unexpected argument %q", cmd.Args().First()))
		}
		err := check()
		if err == nil {
			err = run(ctx)
		}
		return usageOf(cmd, err)
	}
}

// nothing is the check of a command whose flags may be anything.
func nothing() error { return nil }

// Root is clonecratesio.
func Root(a *App) *cli.Command {
	return &cli.Command{
		Name:                  "clonecratesio",
		Usage:                 "mirror crates.io: every byte proved, nothing lost",
		Version:               version(),
		EnableShellCompletion: true,
		Suggest:               true,
		Commands: []*cli.Command{
			demoCommand(a), syncCommand(a), planCommand(a), downloadCommand(a, "download"), sidecarsCommand(a, "sidecars"),
			extractCommand(a, "extract"), serveCommand(a), exportCommand(a), doctorCommand(a), statusCommand(a), diffCommand(a), verifyCommand(a), inspectCommand(a),
			reindexCommand(a), pruneCommand(a), repackCommand(a), quarantineCommand(a), acceptCommand(a),
			keyCommand(a), attestCommand(a), proveCommand(a), checkCommand(a),
		},
		OnUsageError: onUsageError,
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
	cmd.Version = version()
	return cmd
}

// ExtractBundles is extract-bundles, the name of the extract command in v1.1.0.
func ExtractBundles(a *App) *cli.Command {
	cmd := extractCommand(a, "extract-bundles")
	cmd.Version = version()
	return cmd
}

// GenerateSidecars is generate-sidecars, the name of the sidecars command in
// v1.1.0.
func GenerateSidecars(a *App) *cli.Command {
	cmd := sidecarsCommand(a, "generate-sidecars")
	cmd.Version = version()
	return cmd
}
