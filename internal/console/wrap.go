package console

import (
	"bytes"
	"io"
	"math"
	"strings"

	"golang.org/x/term"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/human"
)

// wrapped is a terminal on which lines are broken only between words.
type wrapped struct {
	to      io.Writer
	columns func() int
	rest    []byte // the unfinished line
}

// Wrap returns a writer of sentences to w. On a terminal it breaks lines at spaces, so that
// none is longer than the terminal is wide; otherwise it returns w. Text that users copy,
// such as commands and configuration, must be written to w itself.
func Wrap(w io.Writer) io.Writer {
	f, ok := Terminal(w)
	if !ok {
		return w
	}
	return &wrapped{to: w, columns: func() int {
		columns, _, err := term.GetSize(int(f.Fd()))
		if err != nil {
			return 0
		}
		return columns
	}}
}

// Write holds back an unfinished line.
func (w *wrapped) Write(p []byte) (int, error) {
	w.rest = append(w.rest, p...)
	end := bytes.LastIndexByte(w.rest, '\n') + 1
	if end == 0 {
		return len(p), nil
	}
	var out bytes.Buffer
	columns := w.columns()
	for line := range bytes.Lines(w.rest[:end]) {
		wrapLine(&out, string(bytes.TrimSuffix(line, []byte("\n"))), columns)
	}
	w.rest = append(w.rest[:0], w.rest[end:]...)
	if _, err := w.to.Write(out.Bytes()); err != nil {
		return 0, err
	}
	return len(p), nil
}

// leastColumns is the smallest width of a terminal at which lines are broken.
const leastColumns = 40

func wrapLine(w io.Writer, line string, columns int) {
	if columns < leastColumns {
		columns = math.MaxInt
	}
	human.Wrap(w, line, indentOf(line, columns), columns)
}

// indentOf returns where the text of a line begins, after its numbers and names: columns
// are separated by at least two spaces, words by one.
func indentOf(line string, columns int) int {
	blanks := strings.LastIndex(line, "  ") + 2
	if blanks > 1 && blanks <= columns*2/3 {
		return blanks
	}
	return len(line) - len(strings.TrimLeft(line, " "))
}
