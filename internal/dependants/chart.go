package dependants

import (
	"fmt"
	"strings"
	"time"
)

// Size of a Chart, in units of its own.
const (
	chartWidth  = 600
	chartHeight = 120
	// leastPoints is how many months make a chart.
	leastPoints = 6
)

// A Chart is how many versions and crates there were at the end of each month, as paths of
// an SVG.
type Chart struct {
	Width, Height    int
	Area, Line       string // of versions
	Crates           string // line of crates, with the same height for all of them
	First, Last      time.Time
	Versions, Number int // of versions and crates, now
}

// NewChart returns nil where there is nothing to draw.
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

// curve is a path through the points, as high as the most of them is.
func curve(points []Point, of func(Point) int, most int) string {
	var b strings.Builder
	for i, p := range points {
		x := float64(i) / float64(len(points)-1) * chartWidth
		y := chartHeight * (1 - float64(of(p))/float64(max(1, most)))
		fmt.Fprintf(&b, "%c%.1f,%.1f ", "ML"[min(i, 1)], x, y)
	}
	return strings.TrimSpace(b.String())
}
