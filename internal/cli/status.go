package cli

import (
	"context"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/urfave/cli/v3"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/flags"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/home"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/human"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/status"
)

// statusConfig is the flags of status.
type statusConfig struct {
	dirs    flags.Dirs
	json    bool
	removed bool
	deep    bool
}

func statusCommand(a *App) *cli.Command {
	var cfg statusConfig
	return &cli.Command{
		Name:      "status",
		Usage:     "say what a mirror holds, how old it is, and how its last run ended",
		ArgsUsage: "[-mirror DIR] [-json] [-removed] [-deep]",
		Flags: append(cfg.dirs.Flags(),
			flags.JSON(&cfg.json, "as one JSON object; with -removed, one a line"),
			&cli.BoolFlag{Name: "removed", Usage: "list what the index has stopped naming, when that was seen, and in which commit", Destination: &cfg.removed},
			&cli.BoolFlag{Name: "deep", Usage: "say what the deep archive has: its ratio, what rebuilds the crates, what is stored as it is and why", Destination: &cfg.deep}),
		OnUsageError: onUsageError,
		Action:       action(cfg.check, func(ctx context.Context) error { return a.status(ctx, &cfg) }),
	}
}

func (cfg *statusConfig) check() error {
	cfg.dirs.Fill()
	return cfg.dirs.Check()
}

func (a *App) status(ctx context.Context, cfg *statusConfig) error {
	if cfg.removed {
		return a.statusRemoved(ctx, cfg)
	}
	if cfg.deep {
		return a.statusDeep(ctx, cfg)
	}
	s, err := status.Read(ctx, &cfg.dirs.Dirs)
	if err != nil {
		return err
	}
	if cfg.json {
		return json.MarshalWrite(a.Stdout, s, jsontext.WithIndent("  "))
	}
	return printStatus(a.Stdout, s, time.Now())
}

func keptDays(d *status.Days) string {
	if d.Error != "" {
		return "unknown: " + human.Printable(d.Error)
	}
	return fmt.Sprintf("%s of the index, from %s to %s", human.Plural(int64(d.Kept), "day"), d.First, d.Last)
}

func printStatus(out io.Writer, s *status.Mirror, now time.Time) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "mirror\t%s\n", s.Out)
	fmt.Fprintf(w, "holds\t%s of %s, %s", human.Plural(s.Versions, "version"), human.Plural(s.Crates, "crate"), human.Size(s.Bytes))
	if s.Bundles > 0 {
		fmt.Fprintf(w, ", %s", human.Plural(int64(s.Bundles), "bundle"))
	}
	fmt.Fprintln(w)
	if s.Removed+s.Superseded > 0 {
		fmt.Fprintf(w, "of these\t%s\n", pastWords(s))
	}
	fmt.Fprintf(w, "index\t%s\n", indexWords(s, now))
	if s.Days != nil {
		fmt.Fprintf(w, "days\t%s\n", keptDays(s.Days))
	}
	fmt.Fprintf(w, "run\t%s\n", runWords(s, now))
	fmt.Fprintf(w, "verified\t%s\n", verifiedWords(s, now))
	if s.Quarantine > 0 {
		fmt.Fprintf(w, "quarantine\t%s\n", (&home.Dirs{Crates: s.Out}).NeedsLook(s.Quarantine))
	} else if s.Settled > 0 {
		fmt.Fprintf(w, "quarantine\t%s, all settled\n", human.Plural(int64(s.Settled), "file"))
	}
	return w.Flush()
}

// past says what the index does not name any more.
func pastWords(s *status.Mirror) string {
	removed := human.Plural(s.Removed, "version") + " removed from the index"
	before := "the earlier bytes of " + human.Plural(s.Superseded, "version") + " published again"
	switch {
	case s.Superseded == 0:
		return removed
	case s.Removed == 0:
		return before
	}
	return removed + ", " + before
}

func indexWords(s *status.Mirror, now time.Time) string {
	if s.Commit == "" {
		return "no commit is known"
	}
	return fmt.Sprintf("commit %.12s of %s", s.Commit, human.Ago(s.CommitTime, now))
}

func runWords(s *status.Mirror, now time.Time) string {
	r := s.Run
	switch {
	case r == nil:
		return "none is known"
	case r.Live(now):
		return fmt.Sprintf("%s: %s of %s, %s/s, %s not held", r.Phase, human.Count(r.Processed), human.Count(r.Total), r.RatePerSec, human.Count(r.Errors))
	case r.Ended.IsZero():
		return fmt.Sprintf("broke off %s, when %s of %s were done; the next one goes on from there", human.Ago(r.Updated, now), human.Count(r.Processed), human.Count(r.Total))
	}
	return fmt.Sprintf("ended %s: %s", human.Ago(r.Ended, now), human.Printable(r.Result))
}

func verifiedWords(s *status.Mirror, now time.Time) string {
	c := s.Verified
	text := "never"
	if !c.Finished.IsZero() {
		text = "all of it, " + human.Ago(c.Finished, now)
	}
	if !c.Begun.IsZero() {
		text += fmt.Sprintf("; a sweep begun %s has done %s versions", human.Ago(c.Begun, now), human.Count(c.Versions))
	}
	if n := len(c.Bad); n > 0 {
		text += fmt.Sprintf("; %s bad: verify -repair", human.Plural(int64(n), "version"))
	}
	return text
}
