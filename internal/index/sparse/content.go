package sparse

import (
	"bytes"
	"errors"
	"fmt"
	"mime"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/upstream"
)

// checkFile returns why an answer cannot be the file of a crate.
func checkFile(name string, a *upstream.Answer) error {
	if kind, _, _ := mime.ParseMediaType(a.Header.Get("Content-Type")); kind == "text/html" {
		return errors.New("it is a web page (Content-Type text/html)")
	}
	return checkLines(name, a.Body)
}

// checkLines returns why a text cannot be the file of a crate: it has no line about that
// crate, or is cut off within one. The parser of the lines checks the rest.
func checkLines(name string, text []byte) error {
	trimmed := bytes.TrimSpace(bytes.TrimPrefix(text, []byte("\xef\xbb\xbf")))
	if len(trimmed) == 0 {
		return errors.New("it is empty")
	}
	if bytes.IndexByte(trimmed, 0) >= 0 {
		return errors.New("it has bytes that are no text")
	}
	// Some registries do not terminate the last line; if it is complete, it counts.
	last := trimmed[bytes.LastIndexByte(trimmed, '\n')+1:]
	if !endsInLine(text) && !isWhole(last) {
		return errors.New("it ends within a line")
	}
	var first error
	for line := range bytes.Lines(trimmed) {
		e, err := index.ParseLine(bytes.TrimRight(line, "\r\n"))
		switch {
		case strings.EqualFold(e.Name, name):
			return nil
		case first == nil && e.Name != "":
			first = fmt.Errorf("its lines are about crate %q", e.Name)
		case first == nil && err != nil:
			first = fmt.Errorf("line 1: %w", err)
		}
	}
	return first
}

func endsInLine(text []byte) bool { return text[len(text)-1] == '\n' }

// isWhole reports whether a line is complete JSON, with any fields.
func isWhole(line []byte) bool {
	return jsontext.Value(line).IsValid(jsontext.AllowDuplicateNames(true))
}
