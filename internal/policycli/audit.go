package policycli

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/urfave/cli/v3"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/closure"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/flags"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/human"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/policy"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/policy/survey"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/program"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/verdict"
)

// auditConfig is the flags of audit.
type auditConfig struct {
	mirrorConfig
	lockfile string
	sources  []string
}

// audit returns the command that checks all versions of a lock file.
func audit(a *program.App) *cli.Command {
	var cfg auditConfig
	return &cli.Command{
		Name:        "audit",
		Usage:       "list the versions of a Cargo.lock that a policy hides",
		ArgsUsage:   "-policy FILE -lockfile FILE [-mirror DIR] [-json]",
		Description: help("audit"),
		Flags: append(cfg.flags(),
			&cli.StringFlag{Name: "lockfile", Usage: "audit the Cargo.lock `FILE`", Destination: &cfg.lockfile, TakesFile: true},
			&cli.StringSliceFlag{Name: "lock-source", Usage: "treat packages locked from this `URL` as those of crates.io; may be repeated", Destination: &cfg.sources}),
		OnUsageError: program.OnUsageError,
		Action: program.Action(cfg.checkAll, func(ctx context.Context) error {
			return cfg.ask(ctx, a, func(m *survey.Mirror) error { return cfg.run(ctx, a, m) })
		}),
	}
}

func (cfg *auditConfig) checkAll() error {
	if cfg.lockfile == "" {
		return flags.Usagef("-lockfile FILE is missing")
	}
	return cfg.check()
}

// An audited is the result for a lock file.
type audited struct {
	Lockfile string          `json:"lockfile"`
	Packages int             `json:"packages"` // of crates.io
	Hidden   []survey.Locked `json:"hidden"`
	// Excused are versions that a rule would hide, except for a waiver, or because it
	// observes.
	Excused []excused `json:"excused"`
	// Problems are packages that could not be read.
	Problems []string `json:"problems,omitempty"`
}

type excused struct {
	crate.ID
	Decision policy.Decision `json:"decision"`
}

func (cfg *auditConfig) run(ctx context.Context, a *program.App, m *survey.Mirror) error {
	in, err := os.Open(cfg.lockfile)
	if err != nil {
		return err
	}
	defer in.Close()
	lock, err := closure.ReadLock(in, cfg.lockfile, cfg.sources...)
	if err != nil {
		return err
	}
	out := audited{Lockfile: cfg.lockfile, Packages: len(lock.Pins), Excused: []excused{}}
	for _, p := range lock.Problems {
		out.Problems = append(out.Problems, fmt.Sprintf("%s: %s", p.ID, human.OneLine(p.Err)))
	}
	out.Hidden, err = m.Audit(ctx, lock, func(id crate.ID, d policy.Decision) { out.Excused = append(out.Excused, excused{id, d}) })
	if err != nil {
		return err
	}
	if cfg.json {
		err = printJSON(a.Stdout, &out)
	} else {
		err = print(a.Stdout, func(w io.Writer) { out.print(w, m) })
	}
	if err == nil && len(out.Hidden)+len(out.Problems) > 0 {
		err = verdict.Incompletef("%s of %s are not shown, and %d could not be read",
			human.Plural(int64(len(out.Hidden)), "version"), cfg.lockfile, len(out.Problems))
	}
	return err
}

func (o *audited) print(w io.Writer, m *survey.Mirror) {
	for i := range o.Hidden {
		l := &o.Hidden[i]
		if l.Missing {
			fmt.Fprintf(w, "%s is not held by this mirror, with the checksum of the file\n", l.ID)
		} else {
			fmt.Fprintf(w, "%s is %s\n  %s: %s\n", l.ID, means(l.Decision.Visibility), l.Decision.Rule, l.Decision.Reason)
			if !l.Decision.Until.IsZero() {
				fmt.Fprintf(w, "  until %s\n", day(l.Decision.Until))
			}
		}
		switch {
		case l.Compatible != "" && l.Compatible != l.Newest:
			fmt.Fprintf(w, "  shown: %s, which is compatible, and %s\n", l.Compatible, l.Newest)
		case l.Compatible != "":
			fmt.Fprintf(w, "  shown: %s, which is compatible\n", l.Compatible)
		case l.Newest != "":
			fmt.Fprintf(w, "  shown: %s, which is not compatible\n", l.Newest)
		default:
			fmt.Fprintln(w, "  no version of it is shown")
		}
	}
	for _, e := range o.Excused {
		why := "only observed"
		if e.Decision.Waiver != nil {
			why = "waived: " + waiver(e.Decision.Waiver, m.Now)
		}
		fmt.Fprintf(w, "%s is shown, although %s: %s\n  %s\n", e.ID, e.Decision.Rule, e.Decision.Reason, why)
	}
	for _, text := range o.Problems {
		fmt.Fprintf(w, "not read: %s\n", text)
	}
	fmt.Fprintf(w, "%s of %s: %d hidden\n", human.Plural(int64(o.Packages), "package"), o.Lockfile, len(o.Hidden))
	if m.Policy.Contact != "" && len(o.Hidden) > 0 {
		fmt.Fprintf(w, "How to ask: %s\n", human.Printable(m.Policy.Contact))
	}
}
