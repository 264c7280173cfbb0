package console

import (
	"bytes"
	"io"
	"math"
	"strings"

	"golang.org/x/term"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/human"
)

// wrapped is a terminal on which no line is broken inside a word.
type wrapped struct {
	to      io.Writer
	columns func() int
	rest    []byte // of a line that has not ended
}

// Wrap returns a writer of sentences to w. On a terminal it breaks lines at blanks, so
// that none is longer than the terminal is wide; elsewhere it is w. What users copy, such
// as commands and configuration, goes to w itself.
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

// Write holds back a line until it ends.
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

// leastColumns is how wide a terminal is on which it helps to break lines at blanks.
const leastColumns = 40

func wrapLine(w io.Writer, line string, columns int) {
	if columns < leastColumns {
		columns = math.MaxInt
	}
	human.Wrap(w, line, indentOf(line, columns), columns)
}

// indentOf is where the text of a line begins, right of its numbers and names: two blanks
// or more are between columns, one between words.
func indentOf(line string, columns int) int {
	blanks := strings.LastIndex(line, "  ") + 2
	if blanks > 1 && blanks <= columns*2/3 {
		return blanks
	}
	return len(line) - len(strings.TrimLeft(line, " "))
}
