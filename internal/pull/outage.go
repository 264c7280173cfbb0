package pull

import (
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/upstream"
)

// outage is whether upstream is away.
type outage struct {
	log *slog.Logger

	mu       sync.Mutex // guards what follows
	failures int        // in a row
	away     bool
	next     time.Time // when it may be tried again
	trying   bool      // one tries that now
}

const (
	firstPause   = time.Second
	longestPause = time.Minute
	// maxStrange is after how many answers in a row that are none, such as 500 or half
	// a file, upstream counts as away: one may be about what was asked for.
	maxStrange = 3
)

// isAway reports whether upstream is away, and whether the caller is the one who may try
// whether that is so still.
func (o *outage) isAway(now time.Time) (away, probe bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.away {
		return false, false
	}
	if probe = !now.Before(o.next); probe {
		o.next, o.trying = now.Add(longestPause), true // until the probe has ended
	}
	return true, probe
}

// failed takes note of an error that says nothing of what was asked for, and reports
// whether upstream is away. Of many who were under way when it went, the first counts: that
// the others fail too makes no pause longer.
func (o *outage) failed(now time.Time, err error) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.away && !o.trying {
		return true
	}
	o.failures++
	if wasAnswered(err) && o.failures < maxStrange && !o.away {
		return false
	}
	pause := longestPause
	if o.failures < 7 {
		pause = firstPause << (o.failures - 1)
	}
	if !o.away {
		o.log.Warn("upstream is away: what is here is served, and nothing is pulled until it is back", "err", err)
	}
	o.away, o.trying, o.next = true, false, now.Add(min(pause, longestPause))
	return true
}

// worked takes note of an answer.
func (o *outage) worked() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.away {
		o.log.Info("upstream is back")
	}
	o.failures, o.away, o.trying = 0, false, false
}

// undecided takes note that nothing was learned of upstream by one who was to try it, as by
// a fault of the disk: the next tries soon.
func (o *outage) undecided(now time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if soon := now.Add(firstPause); o.away && soon.Before(o.next) {
		o.next = soon
	}
}

// state reports whether upstream is away, and since how many failures.
func (o *outage) state() (away bool, failures int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.away, o.failures
}

// wasAnswered reports whether a failed fetch reached upstream.
func wasAnswered(err error) bool {
	fetch, ok := errors.AsType[*upstream.FetchError](err)
	return ok && fetch.Answered || errors.As(err, new(*upstream.StatusError))
}
