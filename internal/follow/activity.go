package follow

import (
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/human"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/clone"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/mirror"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/runstate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/upstream"
)

// Activity is what this process is doing, for /api/status, run.json and
// /metrics: one run, or the rounds of a sync that follows. Its methods may be
// called concurrently.
type Activity struct {
	version string
	started time.Time

	mu       sync.Mutex // guards what follows
	phase    string     // empty: what the progress says
	detail   string
	ran      bool             // a run has begun, in this process
	progress *mirror.Progress // of the run that is going on, or was the last
	earlier  mirror.Counts    // of runs before that, added up; the counts of results alone
	rounds   rounds
	rate     fetchRate
}

// fetchRate is how fast crates came when enough did to tell.
type fetchRate struct{ crates, bytes float64 } // a second

// enoughFetched is how many crates tell how fast the next ones will come.
const enoughFetched = 100

// measure takes the rate of a run, if that tells something.
func (r *fetchRate) measure(c mirror.Counts) {
	took := (c.Elapsed - c.Planning - c.Paused).Seconds()
	if c.Plan != nil && c.Downloaded >= enoughFetched && took > 0 {
		*r = fetchRate{float64(c.Downloaded) / took, float64(c.Bytes) / took}
	}
}

// recall takes the rate that an earlier process has left in the state folder.
func (a *Activity) recall(state durable.Reader) {
	if old, err := runstate.Read(state); err == nil {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.rate = fetchRate{old.FetchRate, old.FetchBytes}
	}
}

// began reports whether the outcome is one of the mirror, for others to see: a
// command that asked for something that cannot be is not.
func (a *Activity) began(outcome error) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.ran || outcome == nil || errors.As(outcome, new(*clone.UpdateError))
}

// rounds is how following goes.
type rounds struct {
	next     time.Time // when the next one begins; zero: one is going on
	failures int       // in a row, of rounds that could not go on
	last     error     // what the last round lacked, or why it could not go on
	good     time.Time // when a round last came to its end
	index    index.Revision
}

// NewActivity is that of a process of this version of the program, which has done
// nothing yet.
func NewActivity(version string) *Activity {
	return &Activity{version: version, started: time.Now(), progress: mirror.NewProgress()}
}

// begin begins a run.
func (a *Activity) begin() *mirror.Progress {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.earlier, a.ran = a.results(), true
	a.progress, a.phase, a.detail = mirror.NewProgress(), "", ""
	return a.progress
}

// enter says what is being done beside runs.
func (a *Activity) enter(phase, detail string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.phase, a.detail = phase, detail
}

// doing is the detail of what is being done.
func (a *Activity) doing() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.detail
}

// round notes how following goes.
func (a *Activity) round(change func(*rounds)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	change(&a.rounds)
}

// following is how following goes.
func (a *Activity) following() rounds {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.rounds
}

// totals counts the results of all runs of the process.
func (a *Activity) totals() mirror.Counts {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.results()
}

func (a *Activity) results() mirror.Counts {
	c, sum := a.progress.Snapshot(), a.earlier
	sum.Downloaded += c.Downloaded
	sum.Existing += c.Existing
	sum.VerifiedExisting += c.VerifiedExisting
	sum.Gone += c.Gone
	sum.Violated += c.Violated
	sum.Failed += c.Failed
	sum.BadEntries += c.BadEntries
	return sum
}

// State says where the process stands: the counts are of the run that is going
// on, or was the last.
func (a *Activity) State(up upstream.Status) runstate.State {
	a.mu.Lock()
	defer a.mu.Unlock()
	c := a.progress.Snapshot()
	if a.phase == "" { // the clock of a run that has ended goes on
		a.rate.measure(c)
	}
	s := runState(c, up)
	s.Version = a.version
	s.FetchRate, s.FetchBytes = a.rate.crates, a.rate.bytes
	s.Started, s.UptimeSec = a.started.UTC(), int64(time.Since(a.started).Seconds())
	if a.phase != "" {
		s.Phase, s.Detail = a.phase, human.Printable(a.detail)
	}
	r := &a.rounds
	s.NextAt, s.Failures, s.SucceededAt = r.next.UTC(), r.failures, r.good.UTC()
	s.IndexCommit, s.IndexTime = r.index.Commit, r.index.Time.UTC()
	if r.last != nil {
		text := human.OneLine(r.last)
		s.LastError = strings.ToValidUTF8(text[:min(len(text), maxErrorText)], "")
	}
	return s
}

// maxErrorText bounds an error in a state, bytes: one may name thousands of files.
const maxErrorText = 2 << 10
