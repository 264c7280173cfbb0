package cli

import (
	"io"
	"log"
	"log/slog"
	"strings"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/console"
	"github.com/urfave/cli/v3"
)

// logConfig is the flags about logs.
type logConfig struct{ format, level string }

func (cfg *logConfig) flags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "log-format", Value: "text", Usage: "`text|json`", Destination: &cfg.format},
		&cli.StringFlag{Name: "log-level", Value: "info", Usage: "`debug|info|warn|error`", Destination: &cfg.level},
	}
}

func (cfg *logConfig) check() error {
	if f := strings.ToLower(cfg.format); f != "text" && f != "json" {
		return usagef("-log-format %q is neither text nor json", cfg.format)
	}
	var level slog.Level
	if err := level.UnmarshalText([]byte(cfg.level)); err != nil {
		return usagef("-log-level %q is none of debug, info, warn, error", cfg.level)
	}
	return nil
}

// logger returns a logger that writes to w. The configuration was checked. What
// the standard library logs (net/http tells of strange answers, with their
// bytes) goes there too, as debug lines.
func (cfg *logConfig) logger(w io.Writer) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(cfg.level))
	options := &slog.HandlerOptions{Level: level}
	var handler slog.Handler = slog.NewTextHandler(w, options)
	if strings.EqualFold(cfg.format, "json") {
		handler = slog.NewJSONHandler(w, options)
	}
	log.SetFlags(0)
	log.SetOutput(slog.NewLogLogger(handler, slog.LevelDebug).Writer())
	return slog.New(handler)
}

// terminal is stderr for a run: its display, and the log above that.
func (a *App) terminal(progress *progressConfig, log *logConfig) (*console.Display, *slog.Logger) {
	show := console.NewDisplay(a.Stderr, progress.Lines)
	return show, log.logger(show)
}
