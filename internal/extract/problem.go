package extract

import (
	"fmt"
	"sync"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

// A Kind says what is wrong with a bundle or a member.
type Kind int

const (
	// Damaged: bytes of a bundle cannot be used.
	Damaged Kind = iota
	// Rejected: a member that is no crate.
	Rejected
	// Unknown: there is no checksum for the member.
	Unknown
	// Wrong: the member is not the bytes whose checksum is known.
	Wrong
	// Occupied: other bytes stand under the crate's name already.
	Occupied
	// Missing: the manifest names it, the bundle does not have it.
	Missing
	// Failed: it could not be stored, which may be otherwise another time.
	Failed
	kinds
)

var kindTexts = [kinds]string{
	Damaged:  "places where a bundle or a segment is damaged",
	Rejected: "members that are no crate",
	Unknown:  "crates that cannot be verified",
	Wrong:    "crates with a wrong checksum",
	Occupied: "crates under whose name other bytes stand",
	Missing:  "crates that a manifest names and the bundle does not have",
	Failed:   "crates that could not be stored",
}

func (k Kind) String() string { return kindTexts[k] }

// Kinds returns all kinds.
func Kinds() (all []Kind) {
	for k := range kinds {
		all = append(all, k)
	}
	return all
}

// mayPass tells what is only missing from what is not as it should be.
func (k Kind) mayPass() bool { return k == Missing || k == Failed }

// A Problem is something that was not extracted, or something about a bundle
// that is not as it should be.
type Problem struct {
	Kind   Kind
	Bundle string   // "" where it does not matter which
	ID     crate.ID // zero if it is not about one crate
	Err    error
}

func (p *Problem) Error() string {
	switch {
	case p.ID == (crate.ID{}):
		return fmt.Sprintf("%q: %v", p.Bundle, p.Err)
	case p.Bundle == "":
		return fmt.Sprintf("%s: %v", p.ID, p.Err)
	}
	return fmt.Sprintf("%q: %s: %v", p.Bundle, p.ID, p.Err)
}

func (p *Problem) Unwrap() error { return p.Err }

// Summary is the outcome of a run.
type Summary struct {
	Counts
	Problems    []Problem // the first ones; Counts has the numbers, the log has all
	Quarantined int       // files in quarantine, from this run or an earlier one
}

// maxProblems bounds Summary.Problems.
const maxProblems = 20

// problems guards the list of problems.
type problems struct{ mu sync.Mutex }

func (r *run) problem(p Problem) {
	r.cfg.Progress.problems[p.Kind].Add(1)
	r.cfg.Log.Warn("not extracted", "bundle", p.Bundle, "crate", p.ID.Name, "version", p.ID.Version, "err", p.Err)
	r.problems.mu.Lock()
	defer r.problems.mu.Unlock()
	if len(r.summary.Problems) < maxProblems {
		r.summary.Problems = append(r.summary.Problems, p)
	}
}
