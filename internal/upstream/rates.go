package upstream

import (
	"context"
	"strings"
	"sync"

	"golang.org/x/time/rate"
)

// Rates are caps that clients share: bytes a second of all bodies together, and
// requests a second to each host. Nil is none.
type Rates struct {
	bytes    *rate.Limiter // nil: no cap
	requests float64       // 0: no cap

	mu    sync.Mutex
	hosts map[string]*rate.Limiter
}

// NewRates returns caps; 0 is none.
func NewRates(bytesPerSecond int64, requestsPerSecond float64) *Rates {
	r := &Rates{requests: requestsPerSecond, hosts: map[string]*rate.Limiter{}}
	if bytesPerSecond > 0 {
		// A tenth of a second at once, and a buffer at least.
		r.bytes = rate.NewLimiter(rate.Limit(bytesPerSecond), int(min(max(bytesPerSecond/10, spillBuffer), 64<<20)))
	}
	return r
}

// request waits until a host may be asked.
func (r *Rates) request(ctx context.Context, host string) error {
	if r == nil || r.requests <= 0 {
		return nil
	}
	return r.host(strings.ToLower(host)).Wait(ctx)
}

// host returns the limiter of a host. Beyond maxPausedHosts, which is as many as are
// told apart elsewhere, all share one.
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

// take waits until n bytes may have come. It is neither a stall nor a part of the time
// that an attempt may take.
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
