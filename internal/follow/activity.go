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
	"github.com/APTlantis/Mirror-Rust-Crates/internal/news"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/runstate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/upstream"
)

// Activity is the state of this process, for /api/status, run.json and /metrics: one run,
// or the rounds of a sync that follows. Its methods may be called concurrently.
type Activity struct {
	version  string
	code     func(error) int
	started  time.Time
	commits  *commits
	arrivals *news.Arrivals

	mu       sync.Mutex // guards what follows
	phase    string     // empty: what the progress says
	detail   string
	ran      bool             // a run has begun, in this process
	progress *mirror.Progress // of the run under way, or of the last one
	earlier  mirror.Counts    // of runs before that, added up; the counts of results alone
	rounds   rounds
	rate     fetchRate
	client   *upstream.Client // of the mirror that is open, or was the last; nil: none yet
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

// recall takes what an earlier process has left in the state folder: how fast crates
// came, and how its last round ended.
func (a *Activity) recall(state durable.Reader) {
	old, err := runstate.Read(state)
	if err != nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.rate = fetchRate{old.FetchRate, old.FetchBytes}
	if r := &a.rounds; r.ended.IsZero() {
		r.ended, r.code, r.good, r.failures = old.RoundEnded, old.ExitCode, old.SucceededAt, old.Failures
		r.upstream = old.UpstreamIndexTime
		if old.LastError != "" {
			r.last = errors.New(old.LastError)
		}
	}
}

// fetches notes whose requests are shown.
func (a *Activity) fetches(c *upstream.Client) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.client = c
}

// ended notes a round that came to its end. It was a success if the mirror lacks
// nothing and nothing in it needs a person: exit code 0 of a sync.
func (a *Activity) ended(fault error) {
	a.round(func(r *rounds) {
		r.broken = 0
		r.note(fault, a.code(fault))
	})
}

// failed notes a round that could not continue.
func (a *Activity) failed(err error) {
	a.round(func(r *rounds) {
		r.broken++
		r.note(err, a.code(err))
	})
}

// note notes how a round ended.
func (r *rounds) note(err error, code int) {
	r.last, r.ended, r.code = err, time.Now(), code
	if r.failures++; err == nil {
		r.failures, r.good = 0, r.ended
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
	next     time.Time // when the next one begins; zero: one is running
	broken   int       // in a row, that could not continue
	failures int       // in a row, that were no success
	last     error     // what the last round lacked, or why it could not continue
	ended    time.Time // when it ended; zero: there was none
	code     int       // its exit code
	good     time.Time // when a round was last a success; zero: never
	index    index.Revision
	upstream time.Time // of the newest commit of the index that upstream had at the last look
}

// NewActivity returns the Activity of a process of this program version, which has done
// nothing yet. code returns the exit code of a sync that ends with an error.
func NewActivity(version string, code func(error) int) *Activity {
	return &Activity{version: version, code: code, started: time.Now(), commits: newCommits(), progress: mirror.NewProgress(), arrivals: news.NewArrivals(news.Recorded())}
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

// State returns the state of the process: its counts are those of the current run, or of
// the last one.
func (a *Activity) State() runstate.State {
	a.mu.Lock()
	defer a.mu.Unlock()
	var up upstream.Status
	if a.client != nil {
		up = a.client.Status()
	}
	c := a.progress.Snapshot()
	if a.phase == "" { // the clock of a run that has ended still runs
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
	s.RoundEnded, s.ExitCode = r.ended.UTC(), r.code
	s.IndexCommit, s.IndexTime = r.index.Commit, r.index.Time.UTC()
	s.UpstreamIndexTime = r.upstream.UTC()
	if lag := a.arrivals.Lags.Summary(); lag.Versions > 0 {
		s.NewVersions, s.LagMedian, s.LagP95 = lag.Versions, lag.Median.Seconds(), lag.P95.Seconds()
	}
	if r.last != nil {
		text := human.OneLine(r.last)
		s.LastError = strings.ToValidUTF8(text[:min(len(text), maxErrorText)], "")
	}
	return s
}

// maxErrorText bounds an error in a state, bytes: one may name thousands of files.
const maxErrorText = 2 << 10
