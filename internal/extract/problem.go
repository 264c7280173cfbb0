package extract

import (
	"fmt"
	"sync"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

// A Kind classifies a problem with a bundle or a member.
type Kind int

const (
	// Damaged: bytes of a bundle are unusable.
	Damaged Kind = iota
	// Rejected: a member is not a crate.
	Rejected
	// Unknown: no checksum of the member is known.
	Unknown
	// Wrong: the member does not have the expected checksum.
	Wrong
	// Occupied: a file with other bytes has the crate's name.
	Occupied
	// Missing: the manifest names it, the bundle lacks it.
	Missing
	// Failed: it could not be stored; another run may succeed.
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

// mayPass reports whether something is merely missing, as opposed to wrong.
func (k Kind) mayPass() bool { return k == Missing || k == Failed }

// A Problem is something that was not extracted, or that is wrong with a bundle.
type Problem struct {
	Kind   Kind
	Bundle string   // "" if any bundle may have it
	ID     crate.ID // zero if it is not about a single crate
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
	Problems    []Problem // the first ones; Counts counts all, and the log has all
	Quarantined int       // files in quarantine, from this and earlier runs
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
