package console

import (
	"context"
	"io"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
)

// Lines says how often progress is written as a line of the log. Zero means never; then it
// is drawn if there is a terminal.
type Lines struct {
	Interval time.Duration
	Every    int64 // records
}

// Display is stderr: log lines and, on a terminal during a run, a progress bar below them.
type Display struct {
	lines Lines
	out   io.Writer
	quiet bool
	bars  atomic.Pointer[mpb.Progress] // nil: no bar
}

// NewDisplay returns a display on out.
func NewDisplay(out io.Writer, lines Lines) *Display { return &Display{lines: lines, out: out} }

// Quiet disables progress, both drawn and in lines.
func (d *Display) Quiet() { d.quiet, d.lines = true, Lines{} }

// draws reports whether the terminal can move its cursor, and progress is neither written
// in lines nor disabled.
func (d *Display) draws() bool {
	return IsTerminal(d.out) && os.Getenv("TERM") != "dumb" && !d.quiet && d.lines == Lines{}
}

// refresh is the time between two looks at the counts, on a terminal or for Every.
const refresh = 100 * time.Millisecond

// Write writes a log line, above the bar if there is one.
func (d *Display) Write(p []byte) (int, error) {
	if bars := d.bars.Load(); bars != nil {
		if n, err := bars.Write(p); err == nil {
			return n, nil
		} // the bar has just ended
	}
	return d.out.Write(p)
}

// State is the progress of a run.
type State struct {
	Done, Total int64  // for the bar
	Processed   int64  // records, for Every
	Line        string // for people
	Attrs       []any  // for a log
}

// Follow shows the progress of a run until stop is called.
func (d *Display) Follow(look func() State, log *slog.Logger) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	show := func() { d.log(ctx, look, log) }
	if d.draws() {
		bars := mpb.New(mpb.WithOutput(d.out), mpb.WithWidth(32), mpb.WithRefreshRate(refresh))
		d.bars.Store(bars)
		show = func() { draw(ctx, bars, look); d.bars.Store(nil) }
	}
	go func() { defer close(done); show() }()
	return func() { cancel(); <-done }
}

// draw updates a bar.
func draw(ctx context.Context, bars *mpb.Progress, look func() State) {
	bar := bars.New(0, mpb.BarStyle().Lbound("[").Filler("=").Tip(">").Padding(" ").Rbound("]"),
		mpb.BarRemoveOnComplete(),
		mpb.AppendDecorators(decor.Any(func(decor.Statistics) string { return look().Line })))
	tick := time.NewTicker(refresh)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			s := look()
			bar.SetTotal(s.Total+1, false) // never complete by itself
			bar.SetCurrent(s.Done)
		case <-ctx.Done():
			bar.Abort(true)
			bars.Wait()
			return
		}
	}
}

// log writes the requested lines.
func (d *Display) log(ctx context.Context, look func() State, log *slog.Logger) {
	if d.lines == (Lines{}) {
		<-ctx.Done()
		return
	}
	tick := time.NewTicker(refresh)
	defer tick.Stop()
	lastTime, lastCount := time.Now(), int64(0)
	for ended := false; !ended; {
		select {
		case <-tick.C:
		case <-ctx.Done():
			ended = true
		}
		s := look()
		due := d.lines.Interval > 0 && time.Since(lastTime) >= d.lines.Interval
		if due || d.lines.Every > 0 && s.Processed/d.lines.Every > lastCount/d.lines.Every {
			lastTime, lastCount = time.Now(), s.Processed
			log.Info("progress", s.Attrs...)
		}
	}
}
