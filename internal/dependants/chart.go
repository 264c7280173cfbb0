package dependants

import (
	"fmt"
	"strings"
	"time"
)

// Size of a Chart, in its own units.
const (
	chartWidth  = 600
	chartHeight = 120
	// leastPoints is the fewest months that make a chart.
	leastPoints = 6
)

// A Chart shows the numbers of versions and crates at the end of each month, as paths of an
// SVG.
type Chart struct {
	Width, Height    int
	Area, Line       string // of versions
	Crates           string // line of crates, scaled to the same height
	First, Last      time.Time
	Versions, Number int // of versions and crates, at the end
}

// NewChart returns a chart, or nil if there are too few points.
func NewChart(points []Point) *Chart {
	if len(points) < leastPoints {
		return nil
	}
	last := points[len(points)-1]
	c := &Chart{Width: chartWidth, Height: chartHeight, First: points[0].Month, Last: last.Month, Versions: last.Versions, Number: last.Crates}
	c.Line = curve(points, func(p Point) int { return p.Versions }, last.Versions)
	c.Crates = curve(points, func(p Point) int { return p.Crates }, last.Crates)
	c.Area = fmt.Sprintf("%s L%d,%d L0,%d Z", c.Line, chartWidth, chartHeight, chartHeight)
	return c
}

// curve returns a path through the points, scaled to most.
func curve(points []Point, of func(Point) int, most int) string {
	var b strings.Builder
	for i, p := range points {
		x := float64(i) / float64(len(points)-1) * chartWidth
		y := chartHeight * (1 - float64(of(p))/float64(max(1, most)))
		fmt.Fprintf(&b, "%c%.1f,%.1f ", "ML"[min(i, 1)], x, y)
	}
	return strings.TrimSpace(b.String())
}
