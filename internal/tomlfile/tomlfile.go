// Package tomlfile strictly parses TOML files that people write. It reports unknown keys,
// values of the wrong type, and tables that lack something, with their lines, all at once,
// and each with what to write instead.
//
// [Parse] returns the tables of a file. A [Decoder] reads values from them; keys that were
// not read before [Decoder.Rest] are unknown.
//
// The syntax is TOML 1.0's (https://toml.io/en/v1.0.0), by go-toml.
package tomlfile

import (
	"fmt"
	"strings"
)

// A Problem is one problem of a file.
type Problem struct {
	Line int    `json:"line"`
	Text string `json:"text"` // and what to write instead
}

// An Error is all problems of a file.
type Error struct {
	File     string
	Problems []Problem // ordered by line
}

func (e *Error) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = fmt.Sprintf("%s:%d: %s", e.File, p.Line, p.Text)
	}
	return strings.Join(lines, "\n")
}
