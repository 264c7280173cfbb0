// Package signcli has the commands that need only a log of statements, a proof or a key,
// but no mirror: their flags, help and printing.
package signcli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/urfave/cli/v3"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/flags"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/program"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/signing"
)

// Key returns the command that makes and shows keys.
func Key(a *program.App) *cli.Command {
	return &cli.Command{
		Name:         "key",
		Usage:        "make or show a key that signs statements",
		ArgsUsage:    "new | show",
		Description:  help("key"),
		Commands:     []*cli.Command{keyNewCommand(a), keyShowCommand(a)},
		OnUsageError: program.OnUsageError,
		Action: func(_ context.Context, cmd *cli.Command) error {
			return program.UsageOf(cmd, flags.Usagef("want new or show"))
		},
	}
}

func keyNewCommand(a *program.App) *cli.Command {
	var name string
	return &cli.Command{
		Name:        "new",
		Usage:       "make a note key",
		ArgsUsage:   "[-name NAME] FILE",
		Description: help("key-new"),
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "name", DefaultText: "this machine's, if it has a dot", Usage: "give the key this `NAME`", Destination: &name},
		},
		OnUsageError: program.OnUsageError,
		Action: func(_ context.Context, cmd *cli.Command) error {
			file, err := oneFile(cmd)
			if err == nil {
				name, err = keyName(name)
			}
			if err == nil {
				err = newKey(a, file, name)
			}
			return program.UsageOf(cmd, err)
		},
	}
}

// oneFile returns the only argument of a command.
func oneFile(cmd *cli.Command) (string, error) {
	if cmd.Args().Len() != 1 || cmd.Args().First() == "" {
		return "", flags.Usagef("want one FILE")
	}
	return cmd.Args().First(), nil
}

// keyName returns the name of a new key.
func keyName(name string) (string, error) {
	if name == "" {
		host, err := os.Hostname()
		if err != nil || !strings.Contains(host, ".") {
			return "", flags.Usagef("give -name NAME: the machine is called %q, which other machines are called, too", host)
		}
		name = host
	}
	if err := signing.CheckName(name); err != nil {
		return "", flags.Usagef("-name: %w", err)
	}
	return name, nil
}

// newKey runs the command.
func newKey(a *program.App, file, name string) error {
	key, err := signing.NewKey(a.Disk, file, name)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%w: a key is never replaced: choose another FILE, or look at this one with clonecratesio key show", err)
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(a.Stderr, "private key: %s, to be kept secret\npublic key:  %s.pub, to be handed out:\n", file, file)
	_, err = fmt.Fprintln(a.Stdout, key)
	return err
}

func keyShowCommand(a *program.App) *cli.Command {
	var password flags.Password
	return &cli.Command{
		Name:         "show",
		Usage:        "show a public key and its hash",
		ArgsUsage:    "[-key-password-file FILE] FILE",
		Description:  help("key-show"),
		Flags:        []cli.Flag{password.Flag()},
		OnUsageError: program.OnUsageError,
		Action: func(ctx context.Context, cmd *cli.Command) error {
			file, err := oneFile(cmd)
			if err == nil {
				err = showKey(a, file, password.Ask(ctx, a.Stderr, file))
			}
			return program.UsageOf(cmd, err)
		},
	}
}

// showKey runs the command.
func showKey(a *program.App, file string, password signing.Password) error {
	keys, err := signing.PublicOf(file, password)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(a.Stdout, 0, 0, 2, ' ', 0)
	for i, key := range keys {
		if i > 0 {
			fmt.Fprintln(w)
		}
		fmt.Fprintf(w, "kind\t%s\nname\t%s\nhash\t%08x\nfingerprint\t%s\npublic key\t%s\n",
			key.Kind(), key.Name(), key.ID(), key.Fingerprint(), key)
	}
	return w.Flush()
}
