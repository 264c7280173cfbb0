package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os/exec"
	"text/tabwriter"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/urfave/cli/v3"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/home"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/human"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/runstate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/verify"
)

// statusConfig is the flags of status.
type statusConfig struct {
	dirs
	json    bool
	removed bool
}

func statusCommand(a *App) *cli.Command {
	var cfg statusConfig
	return &cli.Command{
		Name:      "status",
		Usage:     "say what a mirror holds, how old it is, and how its last run ended",
		ArgsUsage: "[-mirror DIR] [-json] [-removed]",
		Flags: append(cfg.dirs.flags(),
			&cli.BoolFlag{Name: "json", Usage: "as one JSON object; with -removed, one a line", Destination: &cfg.json},
			&cli.BoolFlag{Name: "removed", Usage: "list what the index has stopped naming, when that was seen, and in which commit", Destination: &cfg.removed}),
		OnUsageError: onUsageError,
		Action:       action(cfg.check, func(ctx context.Context) error { return a.status(ctx, &cfg) }),
	}
}

func (cfg *statusConfig) check() error {
	cfg.fill()
	return cfg.dirs.Check()
}

// mirrorStatus is what status prints.
type mirrorStatus struct {
	Out        string          `json:"out"`
	Crates     int64           `json:"crates"`
	Versions   int64           `json:"versions"`
	Bytes      int64           `json:"bytes"`
	Removed    int64           `json:"removed"`    // versions that the index does not name any more
	Superseded int64           `json:"superseded"` // bytes that versions had before they were published again
	Bundles    int             `json:"bundles"`
	Commit     string          `json:"index_commit"` // that was mirrored last
	CommitTime time.Time       `json:"index_time,omitzero"`
	Days       *keptDays       `json:"index_days,omitempty"`
	Quarantine int             `json:"quarantine"` // not settled
	Settled    int             `json:"quarantine_settled"`
	Run        *runstate.State `json:"run,omitempty"`
	Verified   verify.Cursor   `json:"verify"`
}

// keptDays is what is kept of the index's past.
type keptDays struct {
	First string `json:"first"` // YYYY-MM-DD
	Last  string `json:"last"`
	Kept  int    `json:"kept"`
	Error string `json:"error,omitempty"` // why that is not known
}

func (a *App) status(ctx context.Context, cfg *statusConfig) error {
	if cfg.removed {
		return a.statusRemoved(ctx, cfg)
	}
	s, err := readStatus(ctx, cfg)
	if err != nil {
		return err
	}
	if cfg.json {
		return json.MarshalWrite(a.Stdout, s, jsontext.WithIndent("  "))
	}
	return s.print(a.Stdout, time.Now())
}

func readStatus(ctx context.Context, cfg *statusConfig) (*mirrorStatus, error) {
	r, err := home.OpenReader(ctx, &cfg.Dirs)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	totals, err := r.Catalog.Totals(ctx)
	if err != nil {
		return nil, err
	}
	rev, err := r.Catalog.Revision(ctx)
	if err != nil {
		return nil, err
	}
	bundles, err := r.Catalog.Bundles(ctx)
	if err != nil {
		return nil, err
	}
	s := &mirrorStatus{
		Out: cfg.Crates, Crates: totals.Crates, Versions: totals.Versions, Bytes: totals.Bytes,
		Removed: totals.Removed, Superseded: totals.Superseded,
		Commit: rev.Commit, CommitTime: rev.Time,
	}
	for i := range bundles {
		if !bundles[i].Thrown() {
			s.Bundles++
		}
	}
	if s.Days, err = readDays(ctx, cfg.Index); err != nil {
		s.Days = &keptDays{Error: err.Error()} // all else is known
	}
	if s.Quarantine, s.Settled, err = store.CountEvidence(r.Store.Evidence()); err != nil {
		return nil, err
	}
	state, err := durable.Open(cfg.State())
	if err != nil {
		return nil, err
	}
	defer state.Close()
	if s.Verified, err = verify.ReadCursor(state); err != nil {
		return nil, err
	}
	run, err := runstate.Read(state)
	if err == nil {
		s.Run = &run
	}
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return s, err
}

func (d *keptDays) String() string {
	if d.Error != "" {
		return "unknown: " + human.Printable(d.Error)
	}
	return fmt.Sprintf("%s of the index, from %s to %s", human.Plural(int64(d.Kept), "day"), d.First, d.Last)
}

// readDays asks the index, nil if there is none here that has days.
func readDays(ctx context.Context, dir string) (*keptDays, error) {
	ix, err := index.Open(ctx, dir, index.Options{})
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, exec.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer ix.Close()
	days, err := ix.Days(ctx)
	if err != nil || len(days) == 0 {
		return nil, err
	}
	return &keptDays{First: days[0].Date, Last: days[len(days)-1].Date, Kept: len(days)}, nil
}

func (s *mirrorStatus) print(out io.Writer, now time.Time) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "mirror\t%s\n", s.Out)
	fmt.Fprintf(w, "holds\t%s of %s, %s", human.Plural(s.Versions, "version"), human.Plural(s.Crates, "crate"), human.Size(s.Bytes))
	if s.Bundles > 0 {
		fmt.Fprintf(w, ", %s", human.Plural(int64(s.Bundles), "bundle"))
	}
	fmt.Fprintln(w)
	if s.Removed+s.Superseded > 0 {
		fmt.Fprintf(w, "of these\t%s\n", s.past())
	}
	fmt.Fprintf(w, "index\t%s\n", s.index(now))
	if s.Days != nil {
		fmt.Fprintf(w, "days\t%s\n", s.Days)
	}
	fmt.Fprintf(w, "run\t%s\n", s.run(now))
	fmt.Fprintf(w, "verified\t%s\n", s.verified(now))
	if s.Quarantine > 0 {
		fmt.Fprintf(w, "quarantine\t%s\n", needsLook(s.Quarantine, &home.Dirs{Crates: s.Out}))
	} else if s.Settled > 0 {
		fmt.Fprintf(w, "quarantine\t%s, all settled\n", human.Plural(int64(s.Settled), "file"))
	}
	return w.Flush()
}

// past says what the index does not name any more.
func (s *mirrorStatus) past() string {
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

func (s *mirrorStatus) index(now time.Time) string {
	if s.Commit == "" {
		return "no commit is known"
	}
	return fmt.Sprintf("commit %.12s of %s", s.Commit, human.Ago(s.CommitTime, now))
}

func (s *mirrorStatus) run(now time.Time) string {
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

func (s *mirrorStatus) verified(now time.Time) string {
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
