package upstream

import (
	"context"
	"strings"
	"sync"

	"golang.org/x/time/rate"
)

// Rates are limits that clients share: bytes per second of all bodies together, and
// requests per second to each host. A nil Rates has no limits.
type Rates struct {
	bytes    *rate.Limiter // nil: no limit
	requests float64       // 0: no limit

	mu    sync.Mutex
	hosts map[string]*rate.Limiter
}

// NewRates returns limits; 0 means none.
func NewRates(bytesPerSecond int64, requestsPerSecond float64) *Rates {
	r := &Rates{requests: requestsPerSecond, hosts: map[string]*rate.Limiter{}}
	if bytesPerSecond > 0 {
		// The burst is a tenth of a second, and at least one buffer.
		r.bytes = rate.NewLimiter(rate.Limit(bytesPerSecond), int(min(max(bytesPerSecond/10, spillBuffer), 64<<20)))
	}
	return r
}

// request waits until another request to a host is allowed.
func (r *Rates) request(ctx context.Context, host string) error {
	if r == nil || r.requests <= 0 {
		return nil
	}
	return r.host(strings.ToLower(host)).Wait(ctx)
}

// host returns the limiter of a host. Beyond maxPausedHosts, all hosts share one.
func (r *Rates) host(name string) *rate.Limiter {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.hosts[name] == nil && len(r.hosts) >= maxPausedHosts {
		name = ""
	}
	if r.hosts[name] == nil {
		r.hosts[name] = rate.NewLimiter(rate.Limit(r.requests), 1)
	}
	return r.hosts[name]
}

// take waits until n more bytes are allowed. The wait is not a stall, and does not count in
// the time of an attempt.
func (r *Rates) take(ctx context.Context, w *watchdog, n int) error {
	if r == nil || r.bytes == nil || n == 0 {
		return nil
	}
	defer w.hold()()
	for n > 0 {
		some := min(n, r.bytes.Burst())
		if err := r.bytes.WaitN(ctx, some); err != nil {
			return err
		}
		n -= some
	}
	return nil
}
