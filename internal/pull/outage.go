package pull

import (
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/upstream"
)

// outage is whether upstream is down.
type outage struct {
	log *slog.Logger

	mu       sync.Mutex // guards what follows
	failures int        // in a row
	away     bool
	next     time.Time // when it may be tried again
	trying   bool      // a caller is trying it now
}

const (
	firstPause   = time.Second
	longestPause = time.Minute
	// maxStrange is the number of invalid answers in a row, such as 500 or half a file,
	// after which upstream counts as down: a single one may concern only the requested
	// file.
	maxStrange = 3
)

// isAway reports whether upstream is down, and whether this caller should probe it.
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

// failed records an error that does not concern the requested file, and reports whether
// upstream is down. Of many concurrent requests only the first failure counts: the others
// do not lengthen the pause.
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
		o.log.Warn("the upstream is down: stored crates are served, and nothing is pulled until it is back", "err", err)
	}
	o.away, o.trying, o.next = true, false, now.Add(min(pause, longestPause))
	return true
}

// worked records an answer.
func (o *outage) worked() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.away {
		o.log.Info("upstream is back")
	}
	o.failures, o.away, o.trying = 0, false, false
}

// undecided records that a probe learned nothing about upstream, for example because of an
// error of the disk: the next probe is soon.
func (o *outage) undecided(now time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if soon := now.Add(firstPause); o.away && soon.Before(o.next) {
		o.next = soon
	}
}

// state reports whether upstream is down, and the number of failures.
func (o *outage) state() (away bool, failures int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.away, o.failures
}

// wasAnswered reports whether a failed download reached upstream.
func wasAnswered(err error) bool {
	fetch, ok := errors.AsType[*upstream.FetchError](err)
	return ok && fetch.Answered || errors.As(err, new(*upstream.StatusError))
}
