package pages

import (
	"math"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/human"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/reader"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/runstate"
)

// oldIndex is when an index is old enough for a warning: crates.io changes every
// minute, and who mirrors it does so daily at least.
const oldIndex = 48 * time.Hour

// shortCommit is how many digits of a commit are shown.
const shortCommit = 10

// status is the live part of the home page.
type status struct {
	reader.Totals
	Run *run // nil: none is known
	now time.Time
}

// IndexAge is how long ago the index was what upstream had, "" if unknown.
func (s status) IndexAge() string {
	if s.CommitTime.IsZero() {
		return ""
	}
	return human.Age(s.now.Sub(s.CommitTime))
}

// IndexOld asks for a warning.
func (s status) IndexOld() bool {
	return !s.CommitTime.IsZero() && s.now.Sub(s.CommitTime) > oldIndex
}

// ShortCommit is enough of the commit to recognise it.
func (s status) ShortCommit() string { return s.Commit[:min(len(s.Commit), shortCommit)] }

// A run is the state of a run in the words of the page.
type run struct {
	runstate.State
	Live    bool
	Chart   *chart // nil: too little is known
	Speed   int64  // versions a second, lately
	Inflow  int64  // bytes a second, lately
	ended   time.Time
	elapsed time.Duration
	now     time.Time
}

func newRun(s runstate.State, now time.Time, h *history) *run {
	r := &run{State: s, Live: s.Live(now), now: now, ended: s.Ended}
	if r.ended.IsZero() {
		r.ended = s.Updated // as far as is known
	}
	r.elapsed = r.ended.Sub(s.Started)
	if r.Live {
		r.Chart = h.chart()
		r.Speed, r.Inflow = h.speed()
	}
	return r
}

// Phase is what the run does, with a capital: "Mirroring".
func (r *run) Phase() string {
	phase := clip(r.State.Phase, 40)
	if phase == "" {
		return "Working"
	}
	capital, n := utf8.DecodeRuneInString(phase)
	return string(unicode.ToUpper(capital)) + phase[n:]
}

// Percent of the run's work, rounded down, so that 100 means all of it.
func (r *run) Percent() int64 {
	part := float64(r.Processed) / float64(max(1, r.Total))
	return int64(100 * min(1, max(0, part)))
}

// Left is the time to the end, 0 if unknown.
func (r *run) Left() time.Duration {
	const most = math.MaxInt64 / int64(time.Second)
	return time.Duration(min(most, max(0, r.ETASec))) * time.Second
}

// Elapsed is how long the run has taken until it ended, or until now.
func (r *run) Elapsed() time.Duration { return r.elapsed }

// EndedAgo is when it ended: "3 hours ago".
func (r *run) EndedAgo() string { return human.Since(r.now.Sub(r.ended)) }

// EndedAt is the same for machines.
func (r *run) EndedAt() time.Time { return r.ended }

// Complete reports whether all that was wanted is held.
func (r *run) Complete() bool { return r.Result == "complete" }

// Lost reports whether the run ended without a word: it was killed.
func (r *run) Lost() bool { return !r.Live && r.State.Ended.IsZero() }
