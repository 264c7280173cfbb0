package upstream

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

// The slot is free while a fetch waits for its next attempt.
func TestBackoffGivesTheSlotBack(t *testing.T) {
	cfg := Config{Concurrency: 1, RetryBase: time.Hour, RetryMax: time.Hour}
	withOrigin(t, cfg, func(n int, conn net.Conn, _ *http.Request) {
		if n == 1 {
			reply(conn, "500 Internal Server Error", nil)
			return
		}
		ok(conn)
	}, func(t *testing.T, c *Client, _ *origin) {
		var running sync.WaitGroup
		running.Go(func() {
			body, _, err := c.Fetch(t.Context(), want(item(1), payload))
			if err != nil {
				t.Error(err)
				return
			}
			body.Release()
		})
		time.Sleep(time.Second) // the first has failed by now
		start := time.Now()
		body, _, err := c.Fetch(t.Context(), want(item(2), payload))
		if err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took > time.Second {
			t.Errorf("waited %v for the slot of a fetch that sleeps", took)
		}
		body.Release()
		running.Wait()
	})
}

// One 429 with Retry-After makes everybody wait who asks that host.
func TestB10RetryAfterPausesTheHost(t *testing.T) {
	for _, tt := range []struct {
		name, value string
		least, most time.Duration
	}{
		{"seconds", "120", 120 * time.Second, 122 * time.Second},
		{"absurd", "999999999999999999999", 10 * time.Minute, 602 * time.Second},
		{"garbage", "soon", 0, time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			withOrigin(t, Config{}, func(n int, conn net.Conn, _ *http.Request) {
				if n == 1 {
					reply(conn, "429 Too Many Requests", nil, "Retry-After: "+tt.value)
					return
				}
				ok(conn)
			}, func(t *testing.T, c *Client, _ *origin) {
				start := time.Now()
				var running sync.WaitGroup
				for i := range 20 {
					running.Go(func() {
						time.Sleep(time.Duration(i) * time.Millisecond)
						body, _, err := c.Fetch(t.Context(), want(item(i), payload))
						if err != nil {
							t.Error(err)
							return
						}
						body.Release()
						if took := time.Since(start); took < tt.least || took > tt.most {
							t.Errorf("item %d took %v, want between %v and %v", i, took, tt.least, tt.most)
						}
					})
				}
				time.Sleep(500 * time.Microsecond)
				if tt.least > 0 && c.Status().Pause == 0 {
					t.Error("no pause is shown")
				}
				running.Wait()
				if s := c.Status(); s.Pause > 0 || s.Active > 0 {
					t.Errorf("status = %+v", s)
				}
			})
		})
	}
}

// Who stood in the queue when the pause began waits as well.
func TestB10PauseHoldsTheQueue(t *testing.T) {
	withOrigin(t, Config{Concurrency: 1}, func(n int, conn net.Conn, _ *http.Request) {
		if n == 1 {
			time.Sleep(time.Second)
			reply(conn, "503 Service Unavailable", nil, "Retry-After: 60")
			return
		}
		ok(conn)
	}, func(t *testing.T, c *Client, o *origin) {
		var running sync.WaitGroup
		for i := range 5 {
			running.Go(func() {
				if err := fetchItem(t, c, i); err != nil {
					t.Error(err)
				}
			})
		}
		time.Sleep(60 * time.Second)
		if o.count() != 1 {
			t.Errorf("%d requests were made during the pause", o.count()-1)
		}
		running.Wait()
	})
}

// A fetch that is stopped while it waits to retry is not known to have wrong
// bytes.
func TestCancelledRetryIsNoMismatch(t *testing.T) {
	cfg := Config{RetryBase: time.Hour, RetryMax: time.Hour}
	withOrigin(t, cfg, func(_ int, conn net.Conn, _ *http.Request) { reply(conn, "200 OK", []byte("<html>")) },
		func(t *testing.T, c *Client, _ *origin) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
			defer cancel()
			_, _, err := c.Fetch(ctx, want(serde, payload))
			if _, wrong := errors.AsType[*crate.ChecksumError](err); wrong || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("error = %v", err)
			}
		})
}

func TestParseRetryAfter(t *testing.T) {
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"0": 0, "7": 7 * time.Second, " 7 ": 7 * time.Second, "600": 10 * time.Minute, "601": 10 * time.Minute,
		"99999999999999999999": 10 * time.Minute, "": 0, "-1": 0, "1.5": 0, "1e3": 0, "0x10": 0, "soon": 0,
		"Thu, 01 Jan 2026 12:01:00 GMT": time.Minute, "Thursday, 01-Jan-26 12:01:00 GMT": time.Minute,
		"Thu, 01 Jan 2026 11:00:00 GMT": 0, "Fri, 01 Jan 2100 00:00:00 GMT": 10 * time.Minute,
	} {
		if got := ParseRetryAfter(value, now); got != want {
			t.Errorf("ParseRetryAfter(%q) = %v, want %v", value, got, want)
		}
	}
}

// A date is measured by the clock that wrote it, so that ours may be off by
// years.
func TestB24RetryAfterIgnoresOurClock(t *testing.T) {
	h := http.Header{"Date": {"Fri, 01 Jan 2016 00:00:00 GMT"}, "Retry-After": {"Fri, 01 Jan 2016 00:00:30 GMT"}}
	if got := retryAfter(h); got != 30*time.Second {
		t.Errorf("retryAfter = %v", got)
	}
}

func FuzzParseRetryAfter(f *testing.F) {
	for _, s := range []string{"", "1", "-1", "120", "99999999999999999999", "Fri, 01 Jan 2100 00:00:00 GMT", "\x00"} {
		f.Add(s, int64(0))
	}
	f.Fuzz(func(t *testing.T, value string, now int64) {
		if d := ParseRetryAfter(value, time.Unix(now%1e12, 0)); d < 0 || d > MaxRetryAfter {
			t.Errorf("ParseRetryAfter(%q) = %v", value, d)
		}
	})
}

func TestJitterIsBounded(t *testing.T) {
	for n, most := range map[int]time.Duration{
		1: time.Second, 2: 2 * time.Second, 5: 16 * time.Second, 6: 30 * time.Second, 1000: 30 * time.Second,
	} {
		var longest time.Duration
		for range 2000 {
			longest = max(longest, jitter(time.Second, 30*time.Second, n))
		}
		if longest > most || longest < most*9/10 {
			t.Errorf("the longest of 2000 pauses after attempt %d is %v, want just below %v", n, longest, most)
		}
	}
	if d := jitter(time.Minute, time.Second, 1); d > time.Second {
		t.Errorf("RetryMax below RetryBase gives %v", d)
	}
}

// A list of URLs may name any number of hosts; the pauses stay few.
func TestPausesAreBounded(t *testing.T) {
	var p pauses
	for i := range 2 * maxPausedHosts {
		p.extend(fmt.Sprint(i), time.Hour)
	}
	if len(p.until) != maxPausedHosts {
		t.Errorf("%d hosts are remembered", len(p.until))
	}
	if !p.active("0") || p.active(fmt.Sprint(2*maxPausedHosts)) {
		t.Error("the wrong hosts are paused")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.wait(ctx, newBreaker(1, 1), "0"); !errors.Is(err, context.Canceled) {
		t.Errorf("wait = %v", err)
	}
}

// B20: a redirect to a very long address, whose answer is wrong, or which leads
// where we do not go. What is said of it goes into notes, manifests and logs.
func TestB20LongAddresses(t *testing.T) {
	long := strings.Repeat("\xff", 60<<10) // which a URL writes as three bytes each
	for name, to := range map[string]string{"wrong bytes": "/" + long, "another host": "https://" + long + ".example/"} {
		withOrigin(t, Config{Attempts: 1}, func(n int, conn net.Conn, _ *http.Request) {
			if n == 1 {
				reply(conn, "302 Found", nil, "Location: "+to)
				return
			}
			ok(conn)
		}, func(t *testing.T, c *Client, _ *origin) {
			_, _, err := c.Fetch(t.Context(), want(serde, []byte("something else")))
			if err == nil || len(err.Error()) > 8<<10 || !strings.Contains(err.Error(), "%FF%FF%FF") {
				t.Errorf("%s: %d bytes: %.300v", name, len(fmt.Sprint(err)), err)
			}
			if mismatch, ok := errors.AsType[*MismatchError](err); ok && len(mismatch.Evidence.URL) > 4<<10 {
				t.Errorf("%s: the evidence has an address of %d bytes", name, len(mismatch.Evidence.URL))
			}
		})
	}
}
