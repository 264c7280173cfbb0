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

// Activity is the state of this process, for /api/status, run.json and /metrics: of one run,
// or of a sync that follows its upstream. Its methods may be called concurrently.
type Activity struct {
	version  string
	code     func(error) int
	started  time.Time
	commits  *commits
	arrivals *news.Arrivals

	mu       sync.Mutex // guards what follows
	phase    string     // empty: use the phase of progress
	detail   string
	ran      bool             // a run has begun in this process
	progress *mirror.Progress // of the current run, or the last one
	earlier  mirror.Counts    // the results of runs before that, added up
	rounds   rounds
	rate     fetchRate
	client   *upstream.Client // of the open mirror, or the last one; nil: none yet
}

// fetchRate is the speed of the last download of enough crates.
type fetchRate struct{ crates, bytes float64 } // per second

// enoughFetched is how many crates must be downloaded before their speed predicts that of
// others.
const enoughFetched = 100

// measure takes the speed of a run, if it downloaded enough crates.
func (r *fetchRate) measure(c mirror.Counts) {
	took := (c.Elapsed - c.Planning - c.Paused).Seconds()
	if c.Plan != nil && c.Downloaded >= enoughFetched && took > 0 {
		*r = fetchRate{float64(c.Downloaded) / took, float64(c.Bytes) / took}
	}
}

// recall reads what an earlier process left in the state folder: its download speed and the
// outcome of its last round.
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

// fetches sets the client whose requests are shown.
func (a *Activity) fetches(c *upstream.Client) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.client = c
}

// ended records that a round ran to its end. It was a success if the mirror lacks nothing and
// nothing in it needs a person: exit code 0 of a sync.
func (a *Activity) ended(fault error) {
	a.round(func(r *rounds) {
		r.broken = 0
		r.note(fault, a.code(fault))
	})
}

// failed records that a round could not continue.
func (a *Activity) failed(err error) {
	a.round(func(r *rounds) {
		r.broken++
		r.note(err, a.code(err))
	})
}

// note records the outcome of a round.
func (r *rounds) note(err error, code int) {
	r.last, r.ended, r.code = err, time.Now(), code
	if r.failures++; err == nil {
		r.failures, r.good = 0, r.ended
	}
}

// began reports whether an outcome concerns the mirror and should be published. A command that
// was used wrongly does not.
func (a *Activity) began(outcome error) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.ran || outcome == nil || errors.As(outcome, new(*clone.UpdateError))
}

// rounds is the state of a sync that follows its upstream.
type rounds struct {
	next     time.Time // when the next one begins; zero: one is running
	broken   int       // consecutive rounds that could not continue
	failures int       // consecutive rounds that were not a success
	last     error     // what the last round lacked, or why it could not continue
	ended    time.Time // when the last round ended; zero: there was none
	code     int       // exit code of the last round
	good     time.Time // when a round was last a success; zero: never
	index    index.Revision
	upstream time.Time // of upstream's newest commit, as of the last update
}

// NewActivity returns the Activity of a process with this program version, which has done
// nothing yet. code returns the exit code of a sync that ends with an error.
func NewActivity(version string, code func(error) int) *Activity {
	return &Activity{version: version, code: code, started: time.Now(), commits: newCommits(), progress: mirror.NewProgress(), arrivals: news.NewArrivals(news.Recorded())}
}

// begin records that a run begins, and returns its progress.
func (a *Activity) begin() *mirror.Progress {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.earlier, a.ran = a.results(), true
	a.progress, a.phase, a.detail = mirror.NewProgress(), "", ""
	return a.progress
}

// enter sets what is being done outside runs.
func (a *Activity) enter(phase, detail string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.phase, a.detail = phase, detail
}

// doing returns the detail that enter has set.
func (a *Activity) doing() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.detail
}

// round changes the state of the rounds.
func (a *Activity) round(change func(*rounds)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	change(&a.rounds)
}

// following returns the state of the rounds.
func (a *Activity) following() rounds {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.rounds
}

// totals returns the results of all runs of the process, added up.
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

// State returns the state of the process. Its counts are those of the current run, or of the
// last one.
func (a *Activity) State() runstate.State {
	a.mu.Lock()
	defer a.mu.Unlock()
	var up upstream.Status
	if a.client != nil {
		up = a.client.Status()
	}
	c := a.progress.Snapshot()
	if a.phase == "" { // stop the clock of a run that has ended
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

// maxErrorText bounds an error in a state, in bytes: some errors name thousands of files.
const maxErrorText = 2 << 10
