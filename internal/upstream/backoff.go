package upstream

import (
	"context"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// MaxRetryAfter caps the pause that a server may request with Retry-After.
const MaxRetryAfter = 10 * time.Minute

// ParseRetryAfter parses the value of a Retry-After header (RFC 9110, section 10.2.3):
// seconds, or a date, which is compared with now. The result is between 0 and
// [MaxRetryAfter]; 0 means no pause, or an invalid value.
func ParseRetryAfter(value string, now time.Time) time.Duration {
	value = strings.TrimSpace(value)
	if value == "" {
		return 0
	}
	if strings.Trim(value, "0123456789") == "" {
		seconds, err := strconv.ParseUint(value, 10, 64)
		if err != nil || seconds > uint64(MaxRetryAfter/time.Second) {
			return MaxRetryAfter // a number with too many digits is still a number
		}
		return time.Duration(seconds) * time.Second
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	return min(max(0, at.Sub(now)), MaxRetryAfter)
}

// retryAfter parses the header of a response. It compares a date with the server's clock if
// the response has it, because ours may be wrong, or jump (B24).
func retryAfter(h http.Header) time.Duration {
	value := h.Get("Retry-After")
	if value == "" {
		return 0
	}
	now, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		now = time.Now()
	}
	return ParseRetryAfter(value, now)
}

// jitter returns the pause after the n-th failed attempt: exponential with full jitter, so
// that attempts that failed together do not retry together.
func jitter(base, most time.Duration, n int) time.Duration {
	d := base
	for range n - 1 {
		if d >= most/2 {
			d = most
			break
		}
		d *= 2
	}
	return rand.N(min(d, most) + 1)
}

// sleep waits for d, or until ctx ends or the breaker stops the client.
func sleep(ctx context.Context, b *breaker, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-b.done:
		return b.stopped()
	}
}

// pauses records until when each host asked us to wait.
type pauses struct {
	count atomic.Int32 // of entries; avoids the lock on the hot path
	mu    sync.Mutex
	until map[string]time.Time // by host:port; expired entries are swept
}

// maxPausedHosts bounds the map, because a list of URLs may name any number of hosts.
const maxPausedHosts = 1024

// extend makes all requests to host wait for d from now, and reports whether that lengthens
// the pause.
func (p *pauses) extend(host string, d time.Duration) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	p.sweep(now)
	if p.until == nil {
		p.until = map[string]time.Time{}
	}
	was, paused := p.until[host]
	if !paused && len(p.until) >= maxPausedHosts || was.After(now.Add(d)) {
		return false
	}
	p.until[host] = now.Add(d)
	p.count.Store(int32(len(p.until)))
	return !paused
}

func (p *pauses) sweep(now time.Time) {
	for host, until := range p.until {
		if !until.After(now) {
			delete(p.until, host)
		}
	}
	p.count.Store(int32(len(p.until)))
}

func (p *pauses) left(host string) time.Duration {
	if p.count.Load() == 0 {
		return 0
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sweep(time.Now())
	until, ok := p.until[host]
	if !ok {
		return 0
	}
	return time.Until(until)
}

func (p *pauses) active(host string) bool { return p.left(host) > 0 }

// wait waits until the pause of host ends.
func (p *pauses) wait(ctx context.Context, b *breaker, host string) error {
	for {
		d := p.left(host)
		if d <= 0 {
			return nil
		}
		if err := sleep(ctx, b, d); err != nil {
			return err
		}
	}
}

// longest returns the time until the last pause ends.
func (p *pauses) longest(now time.Time) (d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, until := range p.until {
		d = max(d, until.Sub(now))
	}
	return d
}
