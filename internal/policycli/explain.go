package policycli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/urfave/cli/v3"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/flags"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/human"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/policy"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/policy/survey"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/program"
)

// mirrorConfig is the flags of commands that apply one policy to a mirror.
type mirrorConfig struct {
	dirs flags.Dirs
	file string
	json bool
	log  flags.Log
}

func (cfg *mirrorConfig) flags() []cli.Flag {
	list := append(cfg.dirs.Flags(),
		&cli.StringFlag{Name: "policy", Usage: "read the policy in `FILE`", Destination: &cfg.file, TakesFile: true},
		flags.JSON(&cfg.json, "print JSON (docs/policy.md)"))
	return append(list, cfg.log.Flags()...)
}

// check rejects contradicting flags.
func (cfg *mirrorConfig) check() error {
	if cfg.file == "" {
		return flags.Usagef("-policy FILE is missing")
	}
	cfg.dirs.Fill()
	return cfg.log.Check()
}

// ask opens the mirror and calls fn with it.
func (cfg *mirrorConfig) ask(ctx context.Context, a *program.App, fn func(*survey.Mirror) error) error {
	p, err := policy.Load(ctx, cfg.file)
	if err != nil {
		return err
	}
	m, err := survey.Open(ctx, cfg.dirs.Dirs, p, time.Now(), cfg.log.Logger(a.Stderr))
	if err != nil {
		return err
	}
	return errors.Join(fn(m), m.Close())
}

// explain returns the command that says why a version is hidden, or shown.
func explain(a *program.App) *cli.Command {
	var cfg mirrorConfig
	return &cli.Command{
		Name:         "explain",
		Usage:        "explain what a policy decides about a version",
		ArgsUsage:    "-policy FILE [-mirror DIR] [-json] CRATE VERSION",
		Description:  help("explain"),
		Flags:        cfg.flags(),
		OnUsageError: program.OnUsageError,
		Action: func(ctx context.Context, cmd *cli.Command) error {
			id, err := oneVersion(cmd.Args().Slice())
			if err == nil {
				err = cfg.check()
			}
			if err == nil {
				err = cfg.ask(ctx, a, func(m *survey.Mirror) error { return cfg.explain(ctx, a, m, id) })
			}
			return program.UsageOf(cmd, err)
		},
	}
}

// oneVersion parses "serde 1.0.219" or "serde@1.0.219".
func oneVersion(args []string) (crate.ID, error) {
	if len(args) == 1 {
		args = strings.SplitN(args[0], "@", 2)
	}
	if len(args) != 2 {
		return crate.ID{}, flags.Usagef("want CRATE VERSION, as in: serde 1.0.219")
	}
	id := crate.ID{Name: args[0], Version: args[1]}
	if err := id.Check(); err != nil {
		return id, flags.Usagef("%w", err)
	}
	return id, nil
}

func (cfg *mirrorConfig) explain(ctx context.Context, a *program.App, m *survey.Mirror, id crate.ID) error {
	x, err := m.Explain(ctx, id)
	if err != nil {
		return err
	}
	if cfg.json {
		return printJSON(a.Stdout, x)
	}
	return print(a.Stdout, func(w io.Writer) { printExplanation(w, x, m.Now) })
}

func printJSON(out io.Writer, v any) error {
	return print(out, func(w io.Writer) {
		// Flush reports write errors.
		_ = json.MarshalWrite(w, v, jsontext.Multiline(false))
		fmt.Fprintln(w)
	})
}

// means returns the effect of a visibility, in words.
func means(v policy.Visibility) string {
	switch v {
	case policy.ResolveOnly:
		return "hidden: no resolution takes it; who has it in a lock file can download it"
	case policy.Denied:
		return "denied: it is not in the index and cannot be downloaded"
	}
	return "shown"
}

func printExplanation(w io.Writer, x *survey.Explanation, now time.Time) {
	fmt.Fprintf(w, "%s is %s\n", x.ID, means(x.Decision.Visibility))
	fmt.Fprintf(w, "  checksum    %s\n", x.Checksum)
	times := []struct {
		name string
		at   time.Time
	}{{"pubtime", x.Published}, {"in index", x.FirstSeen}, {"not yet", x.AbsentAt}, {"changes", x.Decision.Next}}
	for _, t := range times {
		if !t.at.IsZero() {
			fmt.Fprintf(w, "  %-11s %s, %s\n", t.name, day(t.at), human.Ago(t.at, now))
		}
	}
	if f := x.Facts; f != nil {
		fmt.Fprintf(w, "  license     %s\n  repository  %s\n", human.Printable(f.License), human.Printable(f.Repository))
	}
	for i := range x.Rules {
		printFinding(w, &x.Rules[i], now)
	}
	if len(x.Rules) == 0 {
		fmt.Fprintln(w, "No rule finds anything.")
	}
	if x.Decision.Visibility == policy.Shown {
		return
	}
	if x.Newest != "" {
		fmt.Fprintf(w, "The newest version that is shown is %s.\n", x.Newest)
	} else {
		fmt.Fprintln(w, "No version of it is shown.")
	}
	if x.Contact != "" {
		fmt.Fprintf(w, "How to ask: %s\n", human.Printable(x.Contact))
	}
}

func printFinding(w io.Writer, f *policy.Finding, now time.Time) {
	fmt.Fprintf(w, "%s: %s\n", f.Rule, f.Reason)
	switch {
	case f.Waiver != nil:
		fmt.Fprintf(w, "  waived by line %d: %s\n", f.Waiver.Line, waiver(f.Waiver, now))
	case f.Observed:
		fmt.Fprintf(w, "  observed only: it would be %s\n", f.Hides)
	default:
		fmt.Fprintf(w, "  %s\n", f.Hides)
	}
	if !f.Since.IsZero() {
		fmt.Fprintf(w, "  since %s\n", day(f.Since))
	}
	if !f.Until.IsZero() {
		fmt.Fprintf(w, "  until %s\n", day(f.Until))
	}
}
