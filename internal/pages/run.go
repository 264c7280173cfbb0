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

// oldIndex is the age of an index that deserves a warning: crates.io changes every minute,
// and mirrors of it are updated at least daily.
const oldIndex = 48 * time.Hour

// shortCommit is the number of digits of a commit that are shown.
const shortCommit = 10

// status is the live part of the home page.
type status struct {
	reader.Totals
	Run *run // nil: unknown
	now time.Time
}

// IndexAge returns how long ago the index was upstream's, or "" if that is unknown.
func (s status) IndexAge() string {
	if s.CommitTime.IsZero() {
		return ""
	}
	return human.Age(s.now.Sub(s.CommitTime))
}

// IndexOld reports whether to show a warning.
func (s status) IndexOld() bool {
	return !s.CommitTime.IsZero() && s.now.Sub(s.CommitTime) > oldIndex
}

// ShortCommit returns enough of the commit to recognise it.
func (s status) ShortCommit() string { return s.Commit[:min(len(s.Commit), shortCommit)] }

// A run is the state of a run in the words of the page.
type run struct {
	runstate.State
	Live    bool
	Chart   *chart // nil: not enough data
	Speed   int64  // recent versions per second
	Inflow  int64  // recent bytes per second
	ended   time.Time
	elapsed time.Duration
	now     time.Time
}

func newRun(s runstate.State, now time.Time, h *history) *run {
	r := &run{State: s, Live: s.Live(now), now: now, ended: s.Ended}
	if r.ended.IsZero() {
		r.ended = s.Updated // as far as we know
	}
	r.elapsed = r.ended.Sub(s.Started)
	if r.Live {
		r.Chart = h.chart()
		r.Speed, r.Inflow = h.speed()
	}
	return r
}

// Phase returns what the run does, capitalized: "Mirroring".
func (r *run) Phase() string {
	phase := clip(r.State.Phase, 40)
	if phase == "" {
		return "Working"
	}
	capital, n := utf8.DecodeRuneInString(phase)
	return string(unicode.ToUpper(capital)) + phase[n:]
}

// Percent returns the share of the run's work that is done, rounded down, so that 100 means
// all of it.
func (r *run) Percent() int64 {
	part := float64(r.Processed) / float64(max(1, r.Total))
	return int64(100 * min(1, max(0, part)))
}

// Left returns the time to the end, or 0 if it is unknown.
func (r *run) Left() time.Duration {
	const most = math.MaxInt64 / int64(time.Second)
	return time.Duration(min(most, max(0, r.ETASec))) * time.Second
}

// Elapsed returns how long the run took until it ended, or until now.
func (r *run) Elapsed() time.Duration { return r.elapsed }

// EndedAgo returns when it ended: "3 hours ago".
func (r *run) EndedAgo() string { return human.Since(r.now.Sub(r.ended)) }

// EndedAt returns the same for machines.
func (r *run) EndedAt() time.Time { return r.ended }

// Complete reports whether everything wanted is held.
func (r *run) Complete() bool { return r.Result == "complete" }

// Lost reports whether the run ended without reporting it: it was killed.
func (r *run) Lost() bool { return !r.Live && r.State.Ended.IsZero() }
