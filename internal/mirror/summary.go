package mirror

import (
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/console"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/human"
)

// Summary is the outcome of a run.
type Summary struct {
	Counts
	Missing     int64 // entries of the plan that are not held now, for any reason
	Unattempted int64 // of these: the run ended before it tried them
	Lost        int64 // bytes of Config.Superseded without a good copy
	LostRemoved int64 // of Missing: no good copy was left, and the index no longer names them
	Quarantined int   // unsettled evidence in quarantine, from this run or an earlier one
	Repaired    int   // of what Config.Repair found damaged: settled in quarantine
	Failures    []Failure
	// Again lists the index paths of crates with missing versions that may be available
	// soon, at most MaxAgain+1. If there are more than MaxAgain, the whole run must be
	// repeated.
	Again []string
}

// MaxAgain bounds Summary.Again.
const MaxAgain = 1000

func (s *Summary) again(path string) {
	if len(s.Again) <= MaxAgain {
		s.Again = append(s.Again, path)
	}
}

// Failure is one entry that is not held.
type Failure struct {
	crate.ID
	Err error
}

// maxFailures bounds Summary.Failures; the manifest has all failures.
const maxFailures = 20

// fail adds a failure, and reports whether the summary lists it.
func (s *Summary) fail(id crate.ID, err error) (listed bool) {
	if listed = len(s.Failures) < maxFailures; listed {
		s.Failures = append(s.Failures, Failure{id, err})
	}
	return listed
}

func (s *Summary) finish(p *Progress) {
	if slices.Sort(s.Again); len(s.Again) <= MaxAgain { // a crate may appear once per pass
		s.Again = slices.Compact(s.Again)
	}
	s.Counts = p.Snapshot()
	s.Missing = s.Errors()
	if s.Plan != nil {
		s.Missing = s.Total() - s.OK()
		s.Unattempted = s.Total() - s.Processed()
	}
}

// Complete reports whether everything that the source names is held, verified and durable.
// allowGone ignores versions that upstream refuses.
func (s *Summary) Complete(allowGone bool) bool {
	if s.Plan == nil {
		return false
	}
	if allowGone {
		return s.Missing == s.Gone
	}
	return s.Missing == s.LostRemoved // no run will have these
}

// Sound reports whether no wrong or unreadable bytes were found.
func (s *Summary) Sound() bool {
	return s.Violated == 0 && s.Quarantined == 0 && s.Unreadable == 0 && s.Lost+s.LostRemoved == 0
}

// Print writes the outcome of a run for a person: the crates are in where, and its audit
// log is manifest.
func (s *Summary) Print(w io.Writer, where, manifest string) {
	fmt.Fprintf(w, "%s of %s versions are held in %s, verified and durable (%s, %s/s, %s received)\n",
		human.Count(s.OK()), human.Count(s.Total()), where, s.Elapsed.Round(10*time.Millisecond), human.Count(int64(s.Rate())), human.Size(s.Bytes))
	row := console.Rows(w)
	row(s.Downloaded, "downloaded")
	row(s.Existing, "held already")
	row(s.Republished, "published again with other bytes: the earlier bytes are kept")
	row(s.TakenOver, "of these taken over from bundles of v1.1.0")
	row(s.VerifiedExisting, "held already, hashed again")
	row(s.Gone, "gone upstream")
	row(s.Violated, "not the bytes that the index or a lock file names")
	row(s.Failed, "failed")
	row(s.BadEntries, "entries that cannot be mirrored")
	row(s.Unattempted, "not attempted: the run ended first")
	row(s.Lost, "lost: earlier bytes of a version that was published again; no good copy is left")
	row(s.LostRemoved, "lost: the index no longer names them, and no good copy is left")
	s.printFailures(w, manifest)
}

func (s *Summary) printFailures(w io.Writer, manifest string) {
	first := make([]error, len(s.Failures))
	for i, f := range s.Failures {
		first[i] = f.Err
	}
	more := fmt.Sprintf(": the lines of %s with \"ok\":false", manifest)
	console.Problems{Heading: "not held:", First: first, All: s.Errors(), More: more}.Print(w)
}
