package cli

// Output rules. Results go to stdout: the summary of a run, a plan, data.
// Everything else goes to stderr: logs, progress, errors, hints. Progress is
// drawn on a terminal alone; without one a run is quiet but for its log lines,
// of which there are few unless -progress-interval or -progress-every asks for
// more. Errors may quote what came from outside, so they are made printable.

import (
	"fmt"
	"io"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/human"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/mirror"
)

// results is stdout. A result that nobody got, as on a full disk, is a failure of
// the command, whatever else it came to.
type results struct {
	to  io.Writer
	err error // the first
}

func (r *results) Write(p []byte) (int, error) {
	n, err := r.to.Write(p)
	if err != nil && r.err == nil {
		r.err = fmt.Errorf("writing the result to stdout: %w", err)
	}
	return n, err
}

// printPlan says what a run would do.
func printPlan(w io.Writer, p mirror.Plan) {
	rows := []struct {
		n    int64
		what string
	}{
		{p.Crates, "crates"},
		{p.Unchanged, "of these unchanged since they were mirrored"},
		{p.Versions, "versions wanted"},
		{p.Held, "of these held and verified, " + human.Size(p.HeldBytes)},
		{p.Check, "there, but to be hashed first"},
		{p.ToBundle, "of these to be put into bundles"},
		{p.Fetch, "to be fetched"},
		{p.Conflicts, "held, but the index names another checksum now: clonecratesio accept NAME VERSION takes it"},
		{p.Republished, "published again with other bytes, which become the version"},
		{p.Bad, "entries that cannot be mirrored"},
		{p.OldBundles, "bundles of v1.1.0 there, whose crates a run takes over instead of fetching them"},
		{p.Yanked, "left out because they are yanked (-include-yanked takes them)"},
	}
	for _, r := range rows {
		if r.n > 0 {
			fmt.Fprintf(w, "%12s  %s\n", human.Count(r.n), r.what)
		}
	}
	if len(p.Problems) == 0 {
		return
	}
	fmt.Fprintf(w, "cannot be mirrored:\n")
	for _, err := range p.Problems {
		fmt.Fprintf(w, "  %s\n", human.Printable(err.Error()))
	}
	if more := p.Bad - int64(len(p.Problems)); more > 0 {
		fmt.Fprintf(w, "  and %s more\n", human.Count(more))
	}
}

// printSummary tells a person what a run has come to.
func printSummary(w io.Writer, s *mirror.Summary, cfg *runConfig) {
	fmt.Fprintf(w, "%s of %s versions are held in %s, verified and durable (%s, %s/s, %s received)\n",
		human.Count(s.OK()), human.Count(s.Total()), cfg.where(), s.Elapsed.Round(10*time.Millisecond), human.Count(int64(s.Rate())), human.Size(s.Bytes))
	rows := []struct {
		n    int64
		what string
	}{
		{s.Downloaded, "downloaded"},
		{s.Existing, "held already"},
		{s.Republished, "published again with other bytes: those of before are kept"},
		{s.TakenOver, "of these taken over from bundles of v1.1.0"},
		{s.VerifiedExisting, "held already, hashed again"},
		{s.Gone, "gone upstream"},
		{s.Violated, "not the bytes that the index or a lock file names"},
		{s.Failed, "failed"},
		{s.BadEntries, "entries that cannot be mirrored"},
		{s.Unattempted, "not attempted: the run ended first"},
		{s.Lost, "lost: bytes that a version had before it was published again, of which no good copy is left"},
		{s.LostRemoved, "lost: the index does not name them any more, and no good copy is left"},
	}
	for _, r := range rows {
		if r.n > 0 {
			fmt.Fprintf(w, "%12s  %s\n", human.Count(r.n), r.what)
		}
	}
	printFailures(w, s, cfg.manifest)
}

// where names the folders in which lies what a run has come to.
func (cfg *runConfig) where() string {
	switch {
	case cfg.bundle && cfg.bundleMode == "only":
		return cfg.bundlesOut
	case cfg.bundle || hasBundles(cfg.bundlesOut):
		return cfg.out + " and " + cfg.bundlesOut
	}
	return cfg.out
}

func printFailures(w io.Writer, s *mirror.Summary, manifest string) {
	if len(s.Failures) == 0 {
		return
	}
	fmt.Fprintf(w, "not held:\n")
	for _, f := range s.Failures {
		fmt.Fprintf(w, "  %s\n", human.Printable(f.Err.Error()))
	}
	if more := s.Errors() - int64(len(s.Failures)); more > 0 {
		fmt.Fprintf(w, "  and %s more: the lines of %s with \"ok\":false\n", human.Count(more), manifest)
	}
}
