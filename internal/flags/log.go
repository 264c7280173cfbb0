package flags

import (
	"io"
	"log"
	"log/slog"
	"strings"

	"github.com/urfave/cli/v3"
)

// Log is the flags about logs.
type Log struct{ Format, Level string }

// Flags are the flags.
func (cfg *Log) Flags() []cli.Flag {
	return under(logging,
		&cli.StringFlag{Name: "log-format", Value: "text", Usage: "`text|json`", Destination: &cfg.Format},
		&cli.StringFlag{Name: "log-level", Value: "info", Usage: "`debug|info|warn|error`", Destination: &cfg.Level},
	)
}

// Check refuses other words.
func (cfg *Log) Check() error {
	if f := strings.ToLower(cfg.Format); f != "text" && f != "json" {
		return Usagef("-log-format %q is neither text nor json", cfg.Format)
	}
	var level slog.Level
	if err := level.UnmarshalText([]byte(cfg.Level)); err != nil {
		return Usagef("-log-level %q is none of debug, info, warn, error", cfg.Level)
	}
	return nil
}

// Logger returns a logger that writes to w. The configuration was checked. What
// the standard library logs (net/http tells of strange answers, with their
// bytes) goes there too, as debug lines.
func (cfg *Log) Logger(w io.Writer) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(cfg.Level))
	options := &slog.HandlerOptions{Level: level}
	var handler slog.Handler = slog.NewTextHandler(w, options)
	if strings.EqualFold(cfg.Format, "json") {
		handler = slog.NewJSONHandler(w, options)
	}
	log.SetFlags(0)
	log.SetOutput(slog.NewLogLogger(handler, slog.LevelDebug).Writer())
	return slog.New(handler)
}
