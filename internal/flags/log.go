package flags

import (
	"io"
	"log"
	"log/slog"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/console"
)

// Log has the flags of the log.
type Log struct {
	Format, Level string // empty Format: sentences on a terminal, otherwise text
	Quiet         bool
}

// Flags returns the flags.
func (cfg *Log) Flags() []cli.Flag {
	return under(logging,
		&cli.StringFlag{Name: "log-format", DefaultText: "sentences on a terminal, text elsewhere", Usage: "`text|json`: log lines of key=value or of JSON", Destination: &cfg.Format},
		&cli.StringFlag{Name: "log-level", Value: "info", Usage: "`debug|info|warn|error`: log messages of this level and above", Destination: &cfg.Level},
		&cli.BoolFlag{Name: "quiet", Usage: "log only warnings and errors, and show no progress; results are still printed", Destination: &cfg.Quiet},
	)
}

// Check rejects invalid values.
func (cfg *Log) Check() error {
	if f := strings.ToLower(cfg.Format); f != "" && f != "text" && f != "json" {
		return Usagef("-log-format %q is neither text nor json", cfg.Format)
	}
	var level slog.Level
	if err := level.UnmarshalText([]byte(cfg.Level)); err != nil {
		return Usagef("-log-level %q is none of debug, info, warn, error", cfg.Level)
	}
	return nil
}

// ForPeople reports whether the log on w is written in sentences.
func (cfg *Log) ForPeople(w io.Writer) bool { return cfg.Format == "" && console.IsTerminal(w) }

// seconds makes slog write durations in JSON as seconds, not nanoseconds.
func seconds(_ []string, a slog.Attr) slog.Attr {
	if a.Value.Kind() == slog.KindDuration {
		a.Value = slog.Float64Value(a.Value.Duration().Seconds())
	}
	return a
}

// Logger returns a logger that writes to w. Check must have succeeded. Logger also sends the
// log of the standard library to w, at level debug, because net/http logs unexpected
// responses with their bytes.
func (cfg *Log) Logger(w io.Writer) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(cfg.Level))
	if cfg.Quiet {
		level = max(level, slog.LevelWarn)
	}
	options := &slog.HandlerOptions{Level: level}
	var handler slog.Handler
	switch {
	case strings.EqualFold(cfg.Format, "json"):
		options.ReplaceAttr = seconds
		handler = slog.NewJSONHandler(w, options)
	case cfg.ForPeople(w):
		handler = console.NewSentences(w, level)
	default:
		handler = slog.NewTextHandler(w, options)
	}
	log.SetFlags(0)
	log.SetOutput(slog.NewLogLogger(handler, slog.LevelDebug).Writer())
	return slog.New(handler)
}
