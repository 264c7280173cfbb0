package sidecar

import (
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/console"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/human"
)

// Progress counts what a run does. Other goroutines may read it meanwhile. For [Files],
// what it counts as written or kept is in place and durable; the other forms are in place
// once the run has ended.
type Progress struct {
	start      time.Time
	crates     atomic.Int64
	written    atomic.Int64
	kept       atomic.Int64
	yanked     atomic.Int64
	problems   atomic.Int64
	notHeld    atomic.Int64
	unreadable atomic.Int64
}

// NewProgress returns counts of zero and starts the clock.
func NewProgress() *Progress { return &Progress{start: time.Now()} }

// Counts is a snapshot of a Progress.
type Counts struct {
	Crates     int64 // of the index, read so far
	Written    int64
	Kept       int64 // existed with the same content
	Yanked     int64 // skipped because they are yanked
	Problems   int64 // versions without a sidecar or with an old one, and unreadable index files
	NotHeld    int64 // crates that the mirror does not hold
	Unreadable int64 // crates that it holds but whose Cargo.toml cannot be read
	Elapsed    time.Duration
}

// Done returns the number of sidecars that are up to date.
func (c *Counts) Done() int64 { return c.Written + c.Kept }

// Rate returns the number of sidecars per second.
func (c *Counts) Rate() float64 {
	return human.Rate(c.Done(), c.Elapsed)
}

// Snapshot returns the current counts.
func (p *Progress) Snapshot() Counts {
	return Counts{
		Crates: p.crates.Load(), Written: p.written.Load(), Kept: p.kept.Load(), Yanked: p.yanked.Load(),
		Problems: p.problems.Load(), NotHeld: p.notHeld.Load(), Unreadable: p.unreadable.Load(),
		Elapsed: time.Since(p.start),
	}
}

// Summary is the outcome of a run.
type Summary struct {
	Counts
	Problems []error // the first ones; Counts.Problems is their number, and the log has all
}

// maxProblems bounds Summary.Problems.
const maxProblems = 20

// Print writes the outcome of a run for a person; its sidecars are in target.
func (s *Summary) Print(w io.Writer, target string) {
	fmt.Fprintf(w, "%s sidecars are in %s (%s, %s/s)\n", human.Count(s.Done()), target, s.Elapsed.Round(10*time.Millisecond), human.Count(int64(s.Rate())))
	row := console.Rows(w)
	row(s.Written, "written")
	row(s.Kept, "there already, with the same content")
	row(s.Yanked, "versions left out because they are yanked (-include-yanked takes them)")
	row(s.NotHeld, "crates that the mirror does not hold")
	row(s.Unreadable, "crates that say nothing of themselves; the log says why")
	row(s.Counts.Problems, "without a sidecar, or with an old one")
	console.Problems{Heading: "not as it should be:", First: s.Problems, All: s.Counts.Problems, More: ", which the log names"}.Print(w)
}
