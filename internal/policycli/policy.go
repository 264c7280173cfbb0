// Package policycli has the commands about policies: what a file says, and its effect on a
// mirror. Packages policy and policy/survey do the work.
package policycli

import (
	"bufio"
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/flags"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/human"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/policy"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/program"
)

//go:embed help/*.txt
var texts embed.FS

// help returns the text of a command's help below its usage.
func help(name string) string { return program.HelpText(texts, name) }

// Policy returns the command with its subcommands.
func Policy(a *program.App) *cli.Command {
	return &cli.Command{
		Name:         "policy",
		Usage:        "show what a policy hides, and why",
		ArgsUsage:    "check | explain | diff | audit",
		Description:  help("policy"),
		Commands:     []*cli.Command{check(a), explain(a), diff(a), audit(a)},
		OnUsageError: program.OnUsageError,
		Action: func(_ context.Context, cmd *cli.Command) error {
			return program.UsageOf(cmd, flags.Usagef("want check, explain, diff or audit"))
		},
	}
}

// check returns the command that reads a file.
func check(a *program.App) *cli.Command {
	return &cli.Command{
		Name:         "check",
		Usage:        "check a policy file, and show what it does",
		ArgsUsage:    "FILE",
		Description:  help("check"),
		OnUsageError: program.OnUsageError,
		Action: func(ctx context.Context, cmd *cli.Command) error {
			if cmd.Args().Len() != 1 {
				return program.UsageOf(cmd, flags.Usagef("want one FILE"))
			}
			p, err := policy.Load(ctx, cmd.Args().First())
			if err != nil {
				return err
			}
			return print(a.Stdout, func(w io.Writer) { describe(w, p, time.Now()) })
		},
	}
}

// print writes the output of tell.
func print(out io.Writer, tell func(io.Writer)) error {
	w := bufio.NewWriter(out)
	tell(w)
	return w.Flush()
}

func describe(w io.Writer, p *policy.Policy, now time.Time) {
	lines := p.Describe()
	if len(lines) == 0 {
		fmt.Fprintln(w, "It hides nothing.")
	} else {
		fmt.Fprintln(w, "It hides:")
	}
	for _, line := range lines {
		fmt.Fprintln(w, "  "+line)
	}
	if db := p.Advisories(); db != nil {
		for _, bad := range db.Problems {
			fmt.Fprintf(w, "Not read: %s: %s\n", bad.Path, human.OneLine(bad.Err))
		}
	}
	if len(p.Waivers()) > 0 {
		fmt.Fprintln(w, "Waivers:")
	}
	for _, v := range p.Waivers() {
		fmt.Fprintf(w, "  line %d: %s\n", v.Line, waiver(v, now))
	}
	if p.Contact == "" {
		fmt.Fprintln(w, `It does not say how to ask for what is hidden: add contact = "...".`)
	}
}

// waiver describes a waiver: whose, of what, and until when.
func waiver(w *policy.Waiver, now time.Time) string {
	until := "for ever"
	switch {
	case w.Expired(now):
		until = "EXPIRED on " + day(w.Expires)
	case !w.Expires.IsZero():
		until = "until " + day(w.Expires)
	}
	return fmt.Sprintf("%s, %v by %s, %s: %s", w.Selector.String(), w.Rules, human.Printable(w.By), until, human.Printable(w.Reason))
}

func day(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// loadTwo loads the policies for diff; "none" is one that hides nothing.
func loadTwo(ctx context.Context, names [2]string) (two [2]*policy.Policy, err error) {
	var errs []error
	for i, name := range names {
		if name == "none" {
			two[i] = &policy.Policy{Name: name}
			continue
		}
		two[i], err = policy.Load(ctx, name)
		errs = append(errs, err)
	}
	return two, errors.Join(errs...)
}
