// Package tomlfile reads TOML files that people write, strictly: a key that is not known, a
// value of the wrong kind, a table that lacks something are reported with their lines, all
// of them at once, each with what to write instead.
//
// [Parse] makes tables of a file. A [Decoder] takes values out of them; what it was not
// asked for by the time of [Decoder.Rest] is unknown.
//
// The syntax is TOML 1.0's (https://toml.io/en/v1.0.0), by go-toml.
package tomlfile

import (
	"fmt"
	"strings"
)

// A Problem is one thing that is wrong with a file.
type Problem struct {
	Line int    `json:"line"`
	Text string `json:"text"` // and what to write instead
}

// An Error is all that is wrong with a file.
type Error struct {
	File     string
	Problems []Problem // in the order of lines
}

func (e *Error) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = fmt.Sprintf("%s:%d: %s", e.File, p.Line, p.Text)
	}
	return strings.Join(lines, "\n")
}
