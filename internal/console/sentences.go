package console

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/human"
)

// Sentences is a log for people: a line has the time of day, what happened, and in brackets
// the attributes, except those that are zero or empty.
//
//	14:03:07 planned (crates 218, versions 4,743, to fetch 12)
//	14:03:09 warning: metrics and status are not served: the port is taken (flag -listen)
type Sentences struct {
	level  slog.Level
	mu     *sync.Mutex
	out    io.Writer
	colour bool
	prefix string // prepended to keys, from groups
	attrs  []slog.Attr
}

// NewSentences returns a log that writes records of at least this level to w. Warnings and
// errors are coloured on a terminal, unless NO_COLOR is in the environment
// (https://no-color.org).
func NewSentences(w io.Writer, level slog.Level) *Sentences {
	return &Sentences{level: level, mu: new(sync.Mutex), out: w, colour: IsTerminal(w) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"}
}

// Enabled implements slog.Handler.
func (s *Sentences) Enabled(_ context.Context, level slog.Level) bool { return level >= s.level }

// WithAttrs implements slog.Handler.
func (s *Sentences) WithAttrs(attrs []slog.Attr) slog.Handler {
	with := *s
	with.attrs = slices.Clone(s.attrs)
	for _, a := range attrs {
		a.Key = s.prefix + a.Key
		with.attrs = append(with.attrs, a)
	}
	return &with
}

// WithGroup implements slog.Handler.
func (s *Sentences) WithGroup(name string) slog.Handler {
	with := *s
	with.prefix += name + "."
	return &with
}

// Handle implements slog.Handler: it writes a line.
func (s *Sentences) Handle(_ context.Context, r slog.Record) error {
	var line bytes.Buffer
	if !r.Time.IsZero() {
		line.WriteString(r.Time.Format("15:04:05 "))
	}
	line.WriteString(s.levelWord(r.Level))
	line.WriteString(human.Printable(r.Message))
	var details []string
	add := func(a slog.Attr) {
		text := sentenceValue(a.Value)
		switch {
		case text == "":
		case a.Key == "err":
			line.WriteString(": " + text)
		default:
			details = append(details, strings.ReplaceAll(a.Key, "_", " ")+" "+text)
		}
	}
	for _, a := range s.attrs {
		add(a)
	}
	r.Attrs(func(a slog.Attr) bool {
		a.Key = s.prefix + a.Key
		add(a)
		return true
	})
	if len(details) > 0 {
		line.WriteString(" (" + strings.Join(details, ", ") + ")")
	}
	line.WriteByte('\n')
	s.mu.Lock()
	defer s.mu.Unlock()
	_, err := Wrap(s.out).Write(line.Bytes())
	return err
}

// levelWord returns the prefix of a line that is not at level info.
func (s *Sentences) levelWord(level slog.Level) string {
	word, colour := "", ""
	switch {
	case level >= slog.LevelError:
		word, colour = "error:", "\x1b[31m"
	case level >= slog.LevelWarn:
		word, colour = "warning:", "\x1b[33m"
	case level >= slog.LevelInfo:
		return ""
	default:
		word, colour = "debug:", "\x1b[2m"
	}
	if s.colour {
		word = colour + word + "\x1b[0m"
	}
	return word + " "
}

// sentenceValue formats a value for people; it returns "" for a value without information.
func sentenceValue(v slog.Value) string {
	v = v.Resolve()
	switch v.Kind() {
	case slog.KindInt64:
		if v.Int64() == 0 {
			return ""
		}
		return human.Count(v.Int64())
	case slog.KindBool:
		if !v.Bool() {
			return ""
		}
		return "yes"
	case slog.KindFloat64:
		return strconv.FormatFloat(v.Float64(), 'f', 1, 64)
	case slog.KindDuration:
		return Took(v.Duration())
	case slog.KindTime:
		return v.Time().Local().Format(time.DateTime)
	}
	return human.Printable(strings.ReplaceAll(strings.TrimSpace(v.String()), "\n", "; "))
}

// Took formats a duration with as many digits as are useful.
func Took(d time.Duration) string {
	switch {
	case d >= time.Minute:
		return d.Round(time.Second).String()
	case d >= time.Second:
		return d.Round(100 * time.Millisecond).String()
	}
	return d.Round(time.Millisecond).String()
}
