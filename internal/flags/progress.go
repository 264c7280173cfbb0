package flags

import (
	"io"
	"log/slog"

	"github.com/urfave/cli/v3"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/console"
)

// Progress has the flags of progress lines in the log.
type Progress struct{ console.Lines }

// Flags returns the flags.
func (cfg *Progress) Flags() []cli.Flag {
	return under(logging,
		&cli.DurationFlag{Name: "progress-interval", Usage: "log progress this often, 0 = never", Destination: &cfg.Interval},
		&cli.Int64Flag{Name: "progress-every", Usage: "log progress every `N` records, 0 = never", Destination: &cfg.Every},
	)
}

// Check rejects negative values.
func (cfg *Progress) Check() error {
	if cfg.Interval < 0 || cfg.Every < 0 {
		return Usagef("-progress-interval and -progress-every want 0 or more")
	}
	return nil
}

// Terminal returns the display of a run on stderr, and a logger that writes above it.
func (cfg *Progress) Terminal(stderr io.Writer, log *Log) (*console.Display, *slog.Logger) {
	show := console.NewDisplay(stderr, cfg.Lines)
	if log.Quiet {
		show.Quiet()
	}
	return show, log.Logger(show)
}
