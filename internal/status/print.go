package status

import (
	"context"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/home"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/human"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/runstate"
)

// Print writes the status for a person.
func (s *Mirror) Print(out io.Writer, now time.Time) error {
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
	if s.Missing+s.Gone > 0 {
		fmt.Fprintf(w, "lacks\t%s\n", lackWords(s))
	}
	fmt.Fprintf(w, "index\t%s\n", indexWords(s, now))
	if s.Days != nil {
		fmt.Fprintf(w, "days\t%s\n", keptDays(s.Days))
	}
	fmt.Fprintf(w, "run\t%s\n", runWords(s, now))
	if r := s.Run; r != nil && !r.RoundEnded.IsZero() {
		fmt.Fprintf(w, "last round\t%s\n", roundWords(r, now))
		fmt.Fprintf(w, "complete\t%s\n", successWords(r, now))
	}
	if s.Run != nil && s.Run.NewVersions > 0 {
		fmt.Fprintf(w, "new\t%s\n", newWords(s.Run))
	}
	fmt.Fprintf(w, "verified\t%s\n", verifiedWords(s, now))
	if s.Quarantine > 0 {
		fmt.Fprintf(w, "quarantine\t%s\n", (&home.Dirs{Crates: s.Out}).NeedsLook(s.Quarantine))
	} else if s.Settled > 0 {
		fmt.Fprintf(w, "quarantine\t%s, all settled\n", human.Plural(int64(s.Settled), "file"))
	}
	return w.Flush()
}

// pastWords describes what the index no longer names.
func pastWords(s *Mirror) string {
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

func lackWords(s *Mirror) string {
	missing := human.Plural(s.Missing, "version") + " missing (status -missing)"
	gone := human.Plural(s.Gone, "version") + " gone upstream (status -gone)"
	switch {
	case s.Gone == 0:
		return missing
	case s.Missing == 0:
		return gone
	}
	return missing + ", " + gone
}

// roundWords describes how the last round of a sync ended.
func roundWords(r *runstate.State, now time.Time) string {
	text := fmt.Sprintf("ended %s with exit code %d", human.Ago(r.RoundEnded, now), r.ExitCode)
	if r.ExitCode != 0 {
		text += ": " + lastError(r)
	}
	if r.Failures > 1 {
		text += fmt.Sprintf("; %d in a row were not complete", r.Failures)
	}
	if !r.NextAt.IsZero() && r.Live(now) {
		text += "; the next one begins " + human.Ago(r.NextAt, now)
	}
	return text
}

func lastError(r *runstate.State) string {
	if r.LastError == "" {
		return "without an error"
	}
	return human.Printable(r.LastError)
}

func successWords(r *runstate.State, now time.Time) string {
	if r.SucceededAt.IsZero() {
		return "never yet"
	}
	return "last " + human.Ago(r.SucceededAt, now)
}

func indexWords(s *Mirror, now time.Time) string {
	if s.Commit == "" {
		return "no commit is known"
	}
	return fmt.Sprintf("commit %.12s of %s", s.Commit, human.Ago(s.CommitTime, now))
}

func runWords(s *Mirror, now time.Time) string {
	r := s.Run
	switch {
	case r == nil:
		return "none is known"
	case r.Live(now) && r.Phase == runstate.Waiting:
		return "waits for the next round of the sync"
	case r.Live(now):
		return fmt.Sprintf("%s: %s of %s, %s/s, %s not held", r.Phase, human.Count(r.Processed), human.Count(r.Total), r.RatePerSec, human.Count(r.Errors))
	case r.Ended.IsZero():
		return fmt.Sprintf("broke off %s, when %s of %s were done; the next one resumes there", human.Ago(r.Updated, now), human.Count(r.Processed), human.Count(r.Total))
	}
	return fmt.Sprintf("ended %s: %s", human.Ago(r.Ended, now), human.Printable(r.Result))
}

// newWords describes how long new versions took.
func newWords(r *runstate.State) string {
	seconds := func(s float64) time.Duration {
		return time.Duration(s * float64(time.Second)).Round(100 * time.Millisecond)
	}
	return fmt.Sprintf("the last %s recorded %v after publication (median; 95 %% within %v)", human.Plural(int64(r.NewVersions), "version"), seconds(r.LagMedian), seconds(r.LagP95))
}

func verifiedWords(s *Mirror, now time.Time) string {
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

// keptDays describes which days of the index are recorded.
func keptDays(d *Days) string {
	if d.Error != "" {
		return "unknown: " + human.Printable(d.Error)
	}
	if d.Kept == 1 {
		return "1 day of the index, " + d.Last
	}
	return fmt.Sprintf("%s of the index, from %s to %s", human.Plural(int64(d.Kept), "day"), d.First, d.Last)
}

// PrintRemovals writes for a person what the index has stopped naming.
func PrintRemovals(ctx context.Context, out io.Writer, c *catalog.Catalog) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	n := 0
	err := EachRemoval(ctx, c, func(r *Removal) error {
		n++
		fmt.Fprintf(w, "%s %s\t%s\t%s\t%s\t%.12s\n", human.Printable(r.Crate), human.Printable(r.Version), removalWords(r), r.Seen.Format(time.DateOnly), r.SHA256, r.Commit)
		return nil
	})
	if err == nil && n == 0 {
		fmt.Fprintln(w, "the index names all that was ever held")
	}
	if err != nil {
		return err
	}
	return w.Flush()
}

// removalWords describes what was removed, and whether it came back.
func removalWords(r *Removal) string {
	what := map[string]string{
		catalog.RemovedCrate: "crate removed", catalog.RemovedVersion: "version removed", catalog.RemovedChecksum: "other bytes",
	}[r.Scope]
	if !r.Returned.IsZero() {
		what += ", returned " + r.Returned.Format(time.DateOnly)
	}
	return what
}

// PrintQuarantine writes for a person what is in quarantine, and what to do.
func PrintQuarantine(out io.Writer, all []Evidence) error {
	if len(all) == 0 {
		fmt.Fprintln(out, "quarantine is empty")
		return nil
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "STATE\tKIND\tCRATE\tVERSION\tSINCE\tFILE\tREASON")
	open, repaired := 0, false
	for i := range all {
		e := &all[i]
		since := "-"
		if !e.Time.IsZero() {
			since = e.Time.UTC().Format(time.RFC3339)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", e.State(), e.Kind, human.Printable(e.Crate), human.Printable(e.Version), since,
			human.Printable(e.File), human.Printable(e.Reason))
		if e.Settled.IsZero() {
			open++
			repaired = repaired || e.Repaired
		}
	}
	err := w.Flush()
	if repaired {
		fmt.Fprintln(out, "repaired: the right bytes have been stored since; look at why they were lost, then settle it")
	}
	if open > 0 {
		fmt.Fprintf(out, "%s not settled: look at each, then: clonecratesio quarantine -settle NAME VERSION, or -settle-all\n", human.Count(int64(open)))
	}
	return err
}
