package flags

import (
	"io"
	"log/slog"

	"github.com/urfave/cli/v3"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/console"
)

// Progress is the flags about progress lines in the log.
type Progress struct{ console.Lines }

// Flags are the flags.
func (cfg *Progress) Flags() []cli.Flag {
	return under(logging,
		&cli.DurationFlag{Name: "progress-interval", Usage: "log progress this often, 0 = never", Destination: &cfg.Interval},
		&cli.Int64Flag{Name: "progress-every", Usage: "log progress every `N` records, 0 = never", Destination: &cfg.Every},
	)
}

// Check refuses less than nothing.
func (cfg *Progress) Check() error {
	if cfg.Interval < 0 || cfg.Every < 0 {
		return Usagef("-progress-interval and -progress-every want 0 or more")
	}
	return nil
}

// Terminal is stderr for a run: its display, and the log above that.
func (cfg *Progress) Terminal(stderr io.Writer, log *Log) (*console.Display, *slog.Logger) {
	show := console.NewDisplay(stderr, cfg.Lines)
	if log.Quiet {
		show.Quiet()
	}
	return show, log.Logger(show)
}
