package cli

import (
	"fmt"
	"io"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/console"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/flags"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/human"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/mirror"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/plan"
)

// printPlan says what a run would do.
func printPlan(w io.Writer, p plan.Totals) {
	row := console.Rows(w)
	row(p.Crates, "crates")
	row(p.Unchanged, "of these unchanged since they were mirrored")
	row(p.Versions, "versions wanted")
	row(p.Held, "of these held and verified, "+human.Size(p.HeldBytes))
	row(p.Check, "there, but to be hashed first")
	row(p.ToBundle, "of these to be put into bundles")
	row(p.Fetch, "to be fetched")
	row(p.Conflicts, "held, but the index names another checksum now: clonecratesio accept NAME VERSION takes it")
	row(p.Republished, "published again with other bytes, which become the version")
	row(p.Bad, "entries that cannot be mirrored")
	row(p.OldBundles, "bundles of v1.1.0 there, whose crates a run takes over instead of fetching them")
	row(p.Yanked, "left out because they are yanked (-include-yanked takes them)")
	console.Problems{Heading: "cannot be mirrored:", First: p.Problems, All: p.Bad}.Print(w)
}

// printSummary tells a person what a run has come to.
func printSummary(w io.Writer, s *mirror.Summary, cfg *flags.Run) {
	fmt.Fprintf(w, "%s of %s versions are held in %s, verified and durable (%s, %s/s, %s received)\n",
		human.Count(s.OK()), human.Count(s.Total()), where(cfg), s.Elapsed.Round(10*time.Millisecond), human.Count(int64(s.Rate())), human.Size(s.Bytes))
	row := console.Rows(w)
	row(s.Downloaded, "downloaded")
	row(s.Existing, "held already")
	row(s.Republished, "published again with other bytes: those of before are kept")
	row(s.TakenOver, "of these taken over from bundles of v1.1.0")
	row(s.VerifiedExisting, "held already, hashed again")
	row(s.Gone, "gone upstream")
	row(s.Violated, "not the bytes that the index or a lock file names")
	row(s.Failed, "failed")
	row(s.BadEntries, "entries that cannot be mirrored")
	row(s.Unattempted, "not attempted: the run ended first")
	row(s.Lost, "lost: bytes that a version had before it was published again, of which no good copy is left")
	row(s.LostRemoved, "lost: the index does not name them any more, and no good copy is left")
	printFailures(w, s, cfg.Home.Manifest)
}

// where names the folders in which lies what a run has come to.
func where(cfg *flags.Run) string {
	switch {
	case cfg.Bundle && cfg.BundleMode == "only":
		return cfg.Home.Bundles
	case cfg.Bundle || cfg.Home.HasBundles():
		return cfg.Home.Crates + " and " + cfg.Home.Bundles
	}
	return cfg.Home.Crates
}

func printFailures(w io.Writer, s *mirror.Summary, manifest string) {
	first := make([]error, len(s.Failures))
	for i, f := range s.Failures {
		first[i] = f.Err
	}
	more := fmt.Sprintf(": the lines of %s with \"ok\":false", manifest)
	console.Problems{Heading: "not held:", First: first, All: s.Errors(), More: more}.Print(w)
}
