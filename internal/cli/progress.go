package cli

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/urfave/cli/v3"
	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/human"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/mirror"
)

// progressConfig is the flags about progress lines in the log.
type progressConfig struct {
	interval time.Duration
	every    int64
}

func (cfg *progressConfig) flags() []cli.Flag {
	return []cli.Flag{
		&cli.DurationFlag{Name: "progress-interval", Usage: "log progress every so often, 0 = never", Destination: &cfg.interval},
		&cli.Int64Flag{Name: "progress-every", Usage: "log progress every `N` records, 0 = never", Destination: &cfg.every},
	}
}

func (cfg *progressConfig) check() error {
	if cfg.interval < 0 || cfg.every < 0 {
		return usagef("-progress-interval and -progress-every want 0 or more")
	}
	return nil
}

// display is stderr: log lines, and below them, on a terminal while a run goes
// on, a bar.
type display struct {
	cfg  *progressConfig
	out  io.Writer
	bars atomic.Pointer[mpb.Progress] // nil: none is drawn
}

func newDisplay(out io.Writer, cfg *progressConfig) *display { return &display{cfg: cfg, out: out} }

// draws reports whether there is a terminal, and nobody asked for lines instead.
func (d *display) draws() bool {
	return isTerminal(d.out) && d.cfg.interval == 0 && d.cfg.every == 0
}

func isTerminal(w io.Writer) bool {
	if out, ok := w.(*results); ok {
		w = out.to
	}
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// refresh is how often the counts are looked at, on a terminal or for
// -progress-every.
const refresh = 100 * time.Millisecond

// Write writes a log line, above the bar if there is one.
func (d *display) Write(p []byte) (int, error) {
	if bars := d.bars.Load(); bars != nil {
		if n, err := bars.Write(p); err == nil {
			return n, nil
		} // the bar has just ended
	}
	return d.out.Write(p)
}

// state is how far a run has come.
type state struct {
	done, total int64  // of the bar
	processed   int64  // for -progress-every
	line        string // what a person wants to know
	attrs       []any  // the same for a log
}

// follow shows the progress of a run until stop is called.
func (d *display) follow(look func() state, log *slog.Logger) (stop func()) {
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

// draw keeps a bar.
func draw(ctx context.Context, bars *mpb.Progress, look func() state) {
	bar := bars.New(0, mpb.BarStyle().Lbound("[").Filler("=").Tip(">").Padding(" ").Rbound("]"),
		mpb.BarRemoveOnComplete(),
		mpb.AppendDecorators(decor.Any(func(decor.Statistics) string { return look().line })))
	tick := time.NewTicker(refresh)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			s := look()
			bar.SetTotal(s.total+1, false) // never complete by itself
			bar.SetCurrent(s.done)
		case <-ctx.Done():
			bar.Abort(true)
			bars.Wait()
			return
		}
	}
}

// mirroring is the state of a mirror's run: bytes while bundles of v1.1.0 are
// taken over, crates while the plan is made, versions while it is worked on.
func mirroring(p *mirror.Progress) func() state {
	return func() state {
		c := p.Snapshot()
		s := state{done: c.Processed(), total: c.Total(), processed: c.Processed(), line: line(c)}
		switch {
		case c.OldRead < c.OldBytes:
			s.done, s.total, s.processed = c.OldRead, c.OldBytes, c.TakenOver
			s.attrs = []any{"phase", "taking over", "read", c.OldRead, "total", c.OldBytes, "crates", c.TakenOver}
		case c.Plan == nil:
			s.attrs = []any{"phase", "planning", "crates", c.CratesPlanned}
		default:
			s.attrs = []any{"processed", c.Processed(), "total", c.Total(), "ok", c.OK(), "errors", c.Errors(),
				"rate_per_sec", fmt.Sprintf("%.1f", c.Rate()), "bytes", c.Bytes, "eta", c.Left().Round(time.Second).String()}
			if c.Pass > 1 || c.PutOff > 0 {
				s.attrs = append(s.attrs, "phase", c.Phase(), "put_off", c.PutOff)
			}
		}
		return s
	}
}

func line(c mirror.Counts) string {
	if c.OldRead < c.OldBytes {
		return fmt.Sprintf(" taking over bundles of v1.1.0: %s of %s, %s crates", human.Size(c.OldRead), human.Size(c.OldBytes), human.Count(c.TakenOver))
	}
	if c.Plan == nil {
		return fmt.Sprintf(" planning: %s crates", human.Count(c.CratesPlanned))
	}
	text := fmt.Sprintf(" %s of %s, %s/s, %s", human.Count(c.Processed()), human.Count(c.Total()), human.Count(int64(c.Rate())), human.Size(c.Bytes))
	if left := c.Left(); left > 0 {
		text += ", " + left.Round(time.Second).String() + " left"
	}
	if detail := passDetail(c); c.Pass > 1 || detail != "" {
		text += strings.TrimSuffix(", "+c.Phase()+" "+detail, " ")
	}
	if n := c.Errors(); n > 0 {
		text += fmt.Sprintf(", %s not held", human.Count(n))
	}
	return text
}

// log writes lines as the flags ask for.
func (d *display) log(ctx context.Context, look func() state, log *slog.Logger) {
	if d.cfg.interval == 0 && d.cfg.every == 0 {
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
		due := d.cfg.interval > 0 && time.Since(lastTime) >= d.cfg.interval
		if due || d.cfg.every > 0 && s.processed/d.cfg.every > lastCount/d.cfg.every {
			lastTime, lastCount = time.Now(), s.processed
			log.Info("progress", s.attrs...)
		}
	}
}
