package pages

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/dependants"
)

// A page does not wait for health that takes long: it shows what was known last.
func TestHealthMayBeSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture()
		f.healthy()
		h := newHandler(t, f, testURL)
		slow := make(chan struct{})
		asked := 0
		h.cfg.Health = func() Health { asked++; <-slow; return *f.health }
		for range 3 {
			start := time.Now()
			if body := get(h, "/").Body.String(); strings.Contains(body, ">Health<") || time.Since(start) > aboutTime {
				t.Errorf("after %v: health is shown before it is known", time.Since(start))
			}
		}
		if asked != 1 {
			t.Errorf("asked %d times at once", asked)
		}
		close(slow)
		synctest.Wait()
		if body := get(h, "/").Body.String(); !strings.Contains(body, ">Health<") {
			t.Error("health is not shown")
		}
	})
}

func TestGrowthChart(t *testing.T) {
	var points []dependants.Point
	for n := range leastGrowth {
		points = append(points, dependants.Point{Month: time.Date(2020, time.Month(n+1), 1, 0, 0, 0, 0, time.UTC), Crates: n + 1, Versions: 10 * (n + 1) * (n + 1)})
	}
	if newGrowthChart(points[1:]) != nil || newGrowthChart(nil) != nil {
		t.Error("a chart of next to nothing")
	}
	c := newGrowthChart(points)
	if want := "M0.0,116.7 L120.0,106.7 L240.0,90.0 L360.0,66.7 L480.0,36.7 L600.0,0.0"; c.Line != want {
		t.Errorf("line %s", c.Line)
	}
	if want := "M0.0,100.0 L120.0,80.0 L240.0,60.0 L360.0,40.0 L480.0,20.0 L600.0,0.0"; c.Crates != want || c.Number != 6 || c.Versions != 360 {
		t.Errorf("crates %s", c.Crates)
	}
}
