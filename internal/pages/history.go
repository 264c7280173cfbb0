package pages

import (
	"fmt"
	"strings"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/runstate"
)

const (
	window = 5 * time.Minute // that the chart shows
	step   = 5 * time.Second // between two points of it
)

// A history is what is known of the pace of the run in progress.
type history struct {
	pid    int
	points []point // a step apart, the oldest first
	last   point   // newer than any of them, or the newest
}

type point struct {
	at          time.Time
	work, bytes int64
}

// add notes where a run stands. What was held already counts as processed the
// moment the plan is made; it says nothing about the pace, so it is left out.
func (h *history) add(s runstate.State) {
	p := point{s.Updated, s.Processed - s.Existing, s.Bytes}
	if s.PID != h.pid || p.work < h.last.work || p.at.Before(h.last.at) {
		*h = history{pid: s.PID} // another run
	}
	h.last = p
	if n := len(h.points); n > 0 && p.at.Sub(h.points[n-1].at) < step {
		return
	}
	h.points = append(h.points, p)
	for p.at.Sub(h.points[0].at) > window+step { // a pace takes two points
		h.points = h.points[1:]
	}
}

// speed is the pace of the last 5 to 10 seconds, in versions and bytes a second.
func (h *history) speed() (versions, bytes int64) {
	if len(h.points) == 0 {
		return 0, 0
	}
	from := h.points[max(0, len(h.points)-2)]
	return int64(rate(from, h.last, h.last.work-from.work)), int64(rate(from, h.last, h.last.bytes-from.bytes))
}

func rate(from, to point, n int64) float64 {
	seconds := to.at.Sub(from.at).Seconds()
	if seconds <= 0 {
		return 0
	}
	return max(0, float64(n)/seconds)
}

// The chart's own units: one across is a second, the height is the peak.
const (
	chartWidth  = int(window / time.Second)
	chartHeight = 60
)

// A chart is a line of the pace over the window, the newest at the right.
type chart struct {
	Width, Height int
	Line, Area    string // what an SVG path calls "d"
	Peak          int64  // versions a second
	Span          time.Duration
}

// chart returns nil until there are two paces to connect.
func (h *history) chart() *chart {
	if len(h.points) < 3 {
		return nil
	}
	paces := make([]float64, 0, len(h.points)-1)
	peak := 1.0
	for i, p := range h.points[1:] {
		pace := rate(h.points[i], p, p.work-h.points[i].work)
		paces, peak = append(paces, pace), max(peak, pace)
	}
	var line strings.Builder
	newest := h.points[len(h.points)-1].at
	x := func(i int) float64 { return float64(chartWidth) - newest.Sub(h.points[i+1].at).Seconds() }
	for i, pace := range paces {
		command := 'L'
		if i == 0 {
			command = 'M'
		}
		fmt.Fprintf(&line, "%c%.0f %.1f", command, x(i), float64(chartHeight)*(1-pace/peak))
	}
	return &chart{
		Width: chartWidth, Height: chartHeight, Line: line.String(),
		Area: fmt.Sprintf("%sL%d %dL%.0f %dZ", line.String(), chartWidth, chartHeight, x(0), chartHeight),
		Peak: int64(peak), Span: newest.Sub(h.points[1].at).Round(time.Second),
	}
}
