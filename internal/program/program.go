// Package program is the frame of all commands: the environment of the process, which tests
// replace ([App]), its signals, its exit codes, and how it reports errors and wrong usage.
// It knows no command.
package program

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/urfave/cli/v3"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/console"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/flags"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/manual"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/settings"
)

// App is the environment of the program. Tests replace parts of it; the zero value uses the
// real ones.
type App struct {
	Stdout, Stderr io.Writer
	Exit           func(code int) // called at the second signal, without waiting for anything
	// Dial replaces the network of upstream requests.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
	// Disk wraps every folder that is written to.
	Disk func(durable.FS) durable.FS
	// BundleSize replaces -bundle-size-gb, in bytes, unless it is 0.
	BundleSize int64
}

// Run runs a command and returns the exit code; args[0] is the name of the program. It
// makes the command once the environment is complete.
func (a *App) Run(command func() *cli.Command, args []string) int {
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
	cmd := command()
	cmd.Writer, cmd.ErrWriter = a.Stdout, a.Stderr
	manual.Install(cmd, args)
	completing := args[len(args)-1] == manual.Completing
	var ran *cli.Command // cmd or a subcommand, once its flags are parsed
	_ = cmd.Walk(func(c *cli.Command) error {
		c.Before = func(ctx context.Context, c *cli.Command) (context.Context, error) {
			if ran = c; completing {
				return ctx, nil
			}
			return ctx, settings.Apply(ctx, c)
		}
		return nil
	})
	cmd.ExitErrHandler = func(context.Context, *cli.Command, error) {} // report does it
	err := cmd.Run(ctx, args)
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		err = errors.Join(context.Cause(ctx), err) // the reason, and where it took effect
	}
	if failed := out.Err(); failed != nil && !errors.Is(err, errors.Unwrap(failed)) {
		err = errors.Join(err, failed)
	}
	if ran != nil && strings.EqualFold(ran.String("log-format"), "json") {
		return reportJSON(a.Stderr, err)
	}
	return a.report(cmd.Name, err)
}

// untilSignal returns a context that ends at the first SIGINT or SIGTERM, with a
// *signalError as its cause. The second signal exits immediately: whatever is durable stays
// so, and nothing else was promised.
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

// Action returns the action of a command without arguments: it checks the flags, before
// anything is touched, and runs.
func Action(check func() error, run func(context.Context) error) cli.ActionFunc {
	return func(ctx context.Context, cmd *cli.Command) error {
		if cmd.Args().Present() {
			return UsageOf(cmd, flags.Usagef("unexpected argument %q", cmd.Args().First()))
		}
		err := check()
		if err == nil {
			err = run(ctx)
		}
		return UsageOf(cmd, err)
	}
}

// Nothing is the check of a command that accepts all flags.
func Nothing() error { return nil }
