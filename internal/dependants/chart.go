package pages

import (
	"fmt"
	"strings"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/dependants"
)

// Size of the chart of growth, in units of its own.
const (
	growthWidth  = 600
	growthHeight = 120
	// leastGrowth is how many months make a chart.
	leastGrowth = 6
)

// A growthChart is how many versions and crates there were at the end of each month.
type growthChart struct {
	Width, Height    int
	Area, Line       string // of versions
	Crates           string // line of crates, with the same height for all of them
	First, Last      time.Time
	Versions, Number int // of versions and crates, now
}

// newGrowthChart returns nil where there is nothing to draw.
func newGrowthChart(points []dependants.Point) *growthChart {
	if len(points) < leastGrowth {
		return nil
	}
	last := points[len(points)-1]
	c := &growthChart{Width: growthWidth, Height: growthHeight, First: points[0].Month, Last: last.Month, Versions: last.Versions, Number: last.Crates}
	c.Line = curve(points, func(p dependants.Point) int { return p.Versions }, last.Versions)
	c.Crates = curve(points, func(p dependants.Point) int { return p.Crates }, last.Crates)
	c.Area = fmt.Sprintf("%s L%d,%d L0,%d Z", c.Line, growthWidth, growthHeight, growthHeight)
	return c
}

// curve is a path through the points, as high as the most of them is.
func curve(points []dependants.Point, of func(dependants.Point) int, most int) string {
	var b strings.Builder
	for i, p := range points {
		x := float64(i) / float64(len(points)-1) * growthWidth
		y := growthHeight * (1 - float64(of(p))/float64(max(1, most)))
		fmt.Fprintf(&b, "%c%.1f,%.1f ", "ML"[min(i, 1)], x, y)
	}
	return strings.TrimSpace(b.String())
}
