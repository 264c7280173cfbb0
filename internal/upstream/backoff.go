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

// MaxRetryAfter caps what a server may ask for with Retry-After.
const MaxRetryAfter = 10 * time.Minute

// ParseRetryAfter reads the value of a Retry-After header (RFC 9110, section 10.2.3):
// seconds, or a date, which is compared with now. The result is between 0 and
// [MaxRetryAfter]; 0 stands for "no pause" and for garbage.
func ParseRetryAfter(value string, now time.Time) time.Duration {
	value = strings.TrimSpace(value)
	if value == "" {
		return 0
	}
	if strings.Trim(value, "0123456789") == "" {
		seconds, err := strconv.ParseUint(value, 10, 64)
		if err != nil || seconds > uint64(MaxRetryAfter/time.Second) {
			return MaxRetryAfter // more digits than fit are still a number
		}
		return time.Duration(seconds) * time.Second
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	return min(max(0, at.Sub(now)), MaxRetryAfter)
}

// retryAfter reads the header of a response. A date is compared with the
// server's own clock where it shows it: ours may be wrong, or jump (B24).
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

// jitter returns the pause after the n-th failed attempt: exponential with
// full jitter, so that those who failed together do not come back together.
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

// sleep waits for d, the end of ctx, or the breaker.
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

// pauses holds, by host, until when we were asked to stay away.
type pauses struct {
	count atomic.Int32 // of entries; spares the hot path the lock
	mu    sync.Mutex
	until map[string]time.Time // by host:port; expired entries are swept
}

// maxPausedHosts bounds the map; a list of URLs may name any number of hosts.
const maxPausedHosts = 1024

// extend makes everybody who asks host wait for d from now, and reports
// whether that is news.
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

// wait returns when host may be asked.
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

// longest is the time until the last pause ends.
func (p *pauses) longest(now time.Time) (d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, until := range p.until {
		d = max(d, until.Sub(now))
	}
	return d
}
