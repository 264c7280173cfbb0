package pages

import (
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// A page does not wait for health that takes long: it shows what was known last.
func TestHealthMayBeSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture()
		f.healthy()
		h := newHandler(t, f, testURL)
		slow := make(chan struct{})
		var asked atomic.Int64
		h.cfg.Health = func() Health { asked.Add(1); <-slow; return *f.health }
		for range 3 {
			start := time.Now()
			if body := get(h, "/").Body.String(); strings.Contains(body, ">Health<") || time.Since(start) > aboutTime {
				t.Errorf("after %v: health is shown before it is known", time.Since(start))
			}
		}
		if asked := asked.Load(); asked != 1 {
			t.Errorf("asked %d times at once", asked)
		}
		close(slow)
		synctest.Wait()
		if body := get(h, "/").Body.String(); !strings.Contains(body, ">Health<") {
			t.Error("health is not shown")
		}
	})
}
