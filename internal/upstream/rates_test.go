package upstream

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// What comes is as slow as the cap, however many read; and waiting for it is neither a
// stall nor the time of an attempt.
func TestMaxRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const perSecond, each = 100_000, 30_000
		r := NewRates(perSecond, 0)
		done := make(chan error)
		start := time.Now()
		for range 100 {
			go func() {
				ctx, cancel := context.WithCancelCause(t.Context())
				defer cancel(nil)
				w := watch(cancel, &Config{StallTimeout: time.Second, MinRate: 1, HeaderTimeout: time.Second, Timeout: 2 * time.Second})
				w.reading.Store(true)
				err := r.take(ctx, w, each)
				w.read.Add(each)
				w.stop()
				done <- err
			}()
		}
		for range 100 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		if took := time.Since(start).Seconds(); took < 28 || took > 31 {
			t.Errorf("3 MB at 100 kB/s took %.1f s, want 30", took)
		}
	})
}

func TestMaxRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := NewRates(0, 10)
		start := time.Now()
		for range 51 {
			for _, host := range []string{"a", "B"} {
				if err := r.request(t.Context(), host); err != nil {
					t.Fatal(err)
				}
			}
		}
		if took := time.Since(start); took < 4900*time.Millisecond || took > 5100*time.Millisecond {
			t.Errorf("51 requests to each of two hosts at 10 a second took %v, want 5 s", took)
		}
		for i := range 2 * maxPausedHosts {
			if r.host(string(rune(i))) == nil {
				t.Fatal("no limiter")
			}
		}
		if len(r.hosts) > maxPausedHosts+1 {
			t.Errorf("%d hosts are remembered", len(r.hosts))
		}
	})
}
