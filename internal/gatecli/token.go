package gatecli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/access"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/flags"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/program"
)

// tokenConfig has the flags of the token commands.
type tokenConfig struct {
	file, expires string
}

// Token returns the command that creates and revokes tokens.
func Token(a *program.App) *cli.Command {
	return &cli.Command{
		Name:        "token",
		Usage:       "manage the tokens with which clients read a mirror",
		ArgsUsage:   "add | list | remove",
		Description: program.HelpText(texts, "token"),
		Commands: []*cli.Command{
			tokenCommand("add", "make a token, and print it this once", "-auth-tokens FILE [-expires WHEN] NAME", true, func(ctx context.Context, cfg *tokenConfig, name string) error { return cfg.add(ctx, a, name) }),
			tokenCommand("list", "print the names of tokens, and when they end", "-auth-tokens FILE", false, func(_ context.Context, cfg *tokenConfig, _ string) error { return cfg.list(a) }),
			tokenCommand("remove", "revoke a token, within a second", "-auth-tokens FILE NAME", true, func(ctx context.Context, cfg *tokenConfig, name string) error { return cfg.remove(ctx, a, name) }),
		},
		OnUsageError: program.OnUsageError,
		Action: func(_ context.Context, cmd *cli.Command) error {
			return program.UsageOf(cmd, flags.Usagef("want add, list or remove"))
		},
	}
}

func tokenCommand(name, usage, args string, named bool, run func(context.Context, *tokenConfig, string) error) *cli.Command {
	var cfg tokenConfig
	list := []cli.Flag{&cli.StringFlag{Name: "auth-tokens", Usage: "file of tokens, the `FILE` that serve -auth-tokens reads", Destination: &cfg.file, TakesFile: true}}
	if name == "add" {
		list = append(list, &cli.StringFlag{Name: "expires", Usage: "let the token expire at `WHEN`: after days, such as 90d, or on a day, such as 2027-01-31, in UTC; default: never", Destination: &cfg.expires})
	}
	return &cli.Command{
		Name: name, Usage: usage, ArgsUsage: args, Flags: list, OnUsageError: program.OnUsageError,
		Action: func(ctx context.Context, cmd *cli.Command) error {
			var err error
			switch {
			case cfg.file == "":
				err = flags.Usagef("-auth-tokens is missing: the file that serve -auth-tokens reads")
			case named && cmd.NArg() != 1:
				err = flags.Usagef("want one NAME: of a person, a team or a machine")
			case !named && cmd.NArg() > 0:
				err = flags.Usagef("unexpected argument %q", cmd.Args().First())
			default:
				err = run(ctx, &cfg, cmd.Args().First())
			}
			return program.UsageOf(cmd, err)
		},
	}
}

// maxDays bounds the lifetime of a token, in days from now.
const maxDays = 36_500

// until parses -expires.
func (cfg *tokenConfig) until(now time.Time) (time.Time, error) {
	if cfg.expires == "" {
		return time.Time{}, nil
	}
	if days, ok := strings.CutSuffix(cfg.expires, "d"); ok {
		if n, err := strconv.Atoi(days); err == nil && n > 0 && n <= maxDays {
			return now.AddDate(0, 0, n), nil
		}
	}
	day, err := time.Parse(time.DateOnly, cfg.expires)
	if err != nil || !day.After(now) {
		return day, flags.Usagef("-expires %q: want a number of days, such as 90d, or a future day, such as 2027-01-31", cfg.expires)
	}
	return day, nil
}

func (cfg *tokenConfig) add(ctx context.Context, a *program.App, name string) error {
	until, err := cfg.until(time.Now().UTC().Truncate(time.Second))
	if err != nil {
		return err
	}
	made, secret, err := access.NewToken(name, until)
	if err != nil {
		return flags.Usagef("%w", err)
	}
	err = access.Change(ctx, cfg.file, func(list []access.Token) ([]access.Token, error) {
		if slices.ContainsFunc(list, func(t access.Token) bool { return t.Name == name }) {
			return nil, fmt.Errorf("token %s already exists: remove it first, or choose another name", name)
		}
		return append(list, made), nil
	})
	if err != nil {
		return err
	}
	fmt.Fprintln(a.Stderr, "This is the token of "+name+". It is kept nowhere: give it to them now.")
	fmt.Fprintln(a.Stdout, secret)
	return nil
}

func (cfg *tokenConfig) list(a *program.App) error {
	t, err := access.Load(cfg.file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if t == nil {
		return nil
	}
	w := tabwriter.NewWriter(a.Stdout, 0, 0, 2, ' ', 0)
	for _, one := range t.List() {
		until := "until it is removed"
		if !one.Expires.IsZero() {
			until = "until " + one.Expires.UTC().Format(time.RFC3339)
		}
		fmt.Fprintf(w, "%s\t%s\n", one.Name, until)
	}
	return w.Flush()
}

func (cfg *tokenConfig) remove(ctx context.Context, a *program.App, name string) error {
	err := access.Change(ctx, cfg.file, func(list []access.Token) ([]access.Token, error) {
		rest := slices.DeleteFunc(slices.Clone(list), func(t access.Token) bool { return t.Name == name })
		if len(rest) == len(list) {
			return nil, fmt.Errorf("no token %s in %s", name, cfg.file)
		}
		return rest, nil
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(a.Stdout, "the token of %s is revoked: servers refuse it within a second\n", name)
	return nil
}
