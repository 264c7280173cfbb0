package roundlog

import (
	"fmt"
	"strings"
	"time"
)

// Size of a Chart, in its own units.
const (
	chartWidth  = 600
	chartHeight = 120
	// leastSizes is the minimum number of points for a chart.
	leastSizes = 4
)

// A Chart is the number of held versions over time, as paths of an SVG.
type Chart struct {
	Width, Height int
	Line, Area    string
	First, Last   Size
}

// Growth returns nil if there is nothing to draw.
func (l *Log) Growth() *Chart {
	if l == nil || len(l.Sizes) < leastSizes {
		return nil
	}
	c := &Chart{Width: chartWidth, Height: chartHeight, First: l.Sizes[0], Last: l.Sizes[len(l.Sizes)-1]}
	span := c.Last.At.Sub(c.First.At)
	if span <= 0 {
		return nil // the clock went back
	}
	c.Line = l.curve(c.First.At, span)
	c.Area = fmt.Sprintf("%s L%d,%d L0,%d Z", c.Line, chartWidth, chartHeight, chartHeight)
	return c
}

// curve returns a path through the sizes, scaled to the largest.
func (l *Log) curve(first time.Time, span time.Duration) string {
	most := int64(1)
	for _, s := range l.Sizes {
		most = max(most, s.Versions)
	}
	var b strings.Builder
	for i, s := range l.Sizes {
		x := chartWidth * min(1, max(0, float64(s.At.Sub(first))/float64(span)))
		y := chartHeight * (1 - float64(max(0, s.Versions))/float64(most))
		fmt.Fprintf(&b, "%c%.1f,%.1f ", "ML"[min(i, 1)], x, y)
	}
	return strings.TrimSpace(b.String())
}
