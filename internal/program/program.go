// Package program is the frame of all commands: the process's surroundings, which tests
// replace ([App]), its signals, its exit codes, and how errors and wrong usage are
// reported. It knows no command.
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

// Run runs a command and returns the exit code; args[0] is the name of the program. The
// command is made once the surroundings are complete.
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
	var ran *cli.Command // of cmd and those below it, once its flags are known
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
		err = errors.Join(context.Cause(ctx), err) // why, and who met it
	}
	if failed := out.Err(); failed != nil && !errors.Is(err, errors.Unwrap(failed)) {
		err = errors.Join(err, failed)
	}
	if ran != nil && strings.EqualFold(ran.String("log-format"), "json") {
		return reportJSON(a.Stderr, err)
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

// Action is what a command does that takes no arguments: it checks its flags,
// before anything is touched, and runs.
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

// Nothing is the check of a command whose flags may be anything.
func Nothing() error { return nil }
