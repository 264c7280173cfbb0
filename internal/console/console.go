// Package console prints the output of a run. Results go to stdout: the summary of a run, a
// plan, data. Everything else goes to stderr: logs, progress, errors, hints. Progress is
// drawn only on a terminal; elsewhere a run prints only its log lines, which are few unless
// Lines requests more.
package console

import (
	"fmt"
	"io"
	"os"

	"github.com/go-json-experiment/json"
	"golang.org/x/term"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/human"
)

// Results is stdout. A result that cannot be written, as on a full disk, makes the command
// fail, even if all else succeeded.
type Results struct {
	to  io.Writer
	err error // the first error
}

// NewResults returns results that are written to w.
func NewResults(w io.Writer) *Results { return &Results{to: w} }

func (r *Results) Write(p []byte) (int, error) {
	n, err := r.to.Write(p)
	if err != nil && r.err == nil {
		r.err = fmt.Errorf("writing the result to stdout: %w", err)
	}
	return n, err
}

// Err returns the first write error, or nil.
func (r *Results) Err() error { return r.err }

// IsTerminal reports whether w is a terminal.
func IsTerminal(w io.Writer) bool {
	_, ok := Terminal(w)
	return ok
}

// Terminal returns the terminal that w writes to, if any.
func Terminal(w io.Writer) (f *os.File, ok bool) {
	switch through := w.(type) {
	case *Results:
		w = through.to
	case *Display:
		w = through.out
	case *wrapped:
		return Terminal(through.to)
	}
	f, ok = w.(*os.File)
	return f, ok && term.IsTerminal(int(f.Fd()))
}

// JSON writes a value as one line of JSON.
func JSON(w io.Writer, v any) error {
	line, err := json.Marshal(v)
	if err == nil {
		_, err = w.Write(append(line, '\n'))
	}
	return err
}

// Rows returns a function that prints a line of a summary, a number and what it counts,
// unless the number is zero.
func Rows(w io.Writer) (row func(n int64, what string)) {
	return func(n int64, what string) {
		if n > 0 {
			fmt.Fprintf(w, "%12s  %s\n", human.Count(n), what)
		}
	}
}

// Problems is the end of a summary: the first problems, one per line, under a heading
// unless that is empty.
type Problems struct {
	Heading string
	First   []error
	All     int64  // their total number
	More    string // where to find the others, such as ", which the log names"
}

// Print prints the problems, or nothing if there are none.
func (p Problems) Print(w io.Writer) {
	if len(p.First) == 0 {
		return
	}
	if p.Heading != "" {
		fmt.Fprintln(w, p.Heading)
	}
	for _, err := range p.First {
		fmt.Fprintf(w, "  %s\n", human.Printable(err.Error()))
	}
	if more := p.All - int64(len(p.First)); more > 0 {
		fmt.Fprintf(w, "  and %s more%s\n", human.Count(more), p.More)
	}
}
