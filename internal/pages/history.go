package pages

import (
	"fmt"
	"strings"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/runstate"
)

const (
	window = 5 * time.Minute // length of the chart
	step   = 5 * time.Second // between two of its points
)

// A history is the measured rate of the current run.
type history struct {
	pid    int
	points []point // one step apart, the oldest first
	last   point   // newer than all of them, or the newest
}

type point struct {
	at          time.Time
	work, bytes int64
}

// add records the progress of a run. Held versions count as processed as soon as the plan
// is made; they say nothing about the rate, so they are left out.
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
	for p.at.Sub(h.points[0].at) > window+step { // a rate needs two points
		h.points = h.points[1:]
	}
}

// speed returns the rate of the last 5 to 10 seconds, in versions and bytes per second.
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

// The chart's units: horizontally a second, vertically the peak.
const (
	chartWidth  = int(window / time.Second)
	chartHeight = 60
)

// A chart is a line of the rate over the window, the newest at the right.
type chart struct {
	Width, Height int
	Line, Area    string // the attribute "d" of an SVG path
	Peak          int64  // versions per second
	Span          time.Duration
}

// chart returns nil until there are two rates to connect.
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
