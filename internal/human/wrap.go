package human

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// Wrap writes a line and breaks it at spaces after at most width columns. All lines but the
// first are indented. A longer word is on its own line.
func Wrap(w io.Writer, line string, indent, width int) {
	start := 0 // of the text: no line is broken within its indentation
	if utf8.RuneCountInString(line) > indent && strings.TrimSpace(line[:indent]) == "" {
		start = indent
	}
	for utf8.RuneCountInString(line) > width {
		i := breakAt(line, start, width)
		if i < 0 {
			break
		}
		fmt.Fprintln(w, strings.TrimRight(line[:i], " "))
		line = strings.Repeat(" ", indent) + strings.TrimLeft(line[i:], " ")
		start = indent
	}
	fmt.Fprintln(w, strings.TrimRight(line, " "))
}

// breakAt returns the last space at which a line fits, or else the first one, or -1 if there
// is none.
func breakAt(line string, start, width int) int {
	last, columns := -1, 0
	for i, r := range line {
		if r == ' ' && i > start {
			if columns > width && last >= 0 {
				break
			}
			last = i
			if columns > width {
				break
			}
		}
		columns++
	}
	return last
}
