package dependants

import (
	"testing"
	"time"
)

func TestChart(t *testing.T) {
	var points []Point
	for n := range leastPoints {
		points = append(points, Point{Month: time.Date(2020, time.Month(n+1), 1, 0, 0, 0, 0, time.UTC), Crates: n + 1, Versions: 10 * (n + 1) * (n + 1)})
	}
	if NewChart(points[1:]) != nil || NewChart(nil) != nil {
		t.Error("a chart of next to nothing")
	}
	c := NewChart(points)
	if want := "M0.0,116.7 L120.0,106.7 L240.0,90.0 L360.0,66.7 L480.0,36.7 L600.0,0.0"; c.Line != want {
		t.Errorf("line %s", c.Line)
	}
	if want := "M0.0,100.0 L120.0,80.0 L240.0,60.0 L360.0,40.0 L480.0,20.0 L600.0,0.0"; c.Crates != want || c.Number != 6 || c.Versions != 360 {
		t.Errorf("crates %s", c.Crates)
	}
}
