package bundle

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

// MaxLine bounds a line of a JSONL file, in bytes; real ones have under 1,000.
const MaxLine = 64 << 10

// ErrTorn: the last line has no end, as after a power cut.
var ErrTorn = errors.New("line has no end")

// A LineError says which line of a JSONL file is wrong. Reading goes on after
// it.
type LineError struct {
	Line int
	Err  error
}

func (e *LineError) Error() string { return fmt.Sprintf("line %d: %v", e.Line, e.Err) }
func (e *LineError) Unwrap() error { return e.Err }

// readLines decodes every line of r into a new L and yields what check makes of
// it. Empty lines are skipped.
func readLines[L, T any](r io.Reader, check func(L) (T, error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		br := bufio.NewReaderSize(r, MaxLine)
		for n := 1; ; n++ {
			line, err := readLine(br)
			if err == io.EOF {
				return
			}
			if err != nil && !errors.Is(err, ErrTorn) && !errors.Is(err, bufio.ErrTooLong) {
				yield(none, fmt.Errorf("reading line %d: %w", n, err))
				return
			}
			if err == nil && len(line) == 0 {
				continue
			}
			v := none
			if err == nil {
				v, err = decodeLine(line, check)
			}
			if err != nil {
				v, err = none, &LineError{n, err}
			}
			if !yield(v, err) {
				return
			}
		}
	}
}

func decodeLine[L, T any](b []byte, check func(L) (T, error)) (T, error) {
	var line L
	if err := json.Unmarshal(b, &line); err != nil {
		var none T
		return none, err
	}
	return check(line)
}

// readLine returns a line without its end, valid until the next call; io.EOF
// after the last; bufio.ErrTooLong after skipping a line over MaxLine. A last
// line without an end is ErrTorn.
func readLine(br *bufio.Reader) ([]byte, error) {
	line, err := br.ReadSlice('\n')
	long := err == bufio.ErrBufferFull
	for err == bufio.ErrBufferFull {
		_, err = br.ReadSlice('\n')
	}
	switch {
	case err == io.EOF && len(line) == 0:
		return nil, io.EOF
	case err == io.EOF:
		return nil, ErrTorn
	case err != nil:
		return nil, err
	case long:
		return nil, bufio.ErrTooLong
	}
	return bytes.TrimRight(line, "\r\n"), nil
}

// appendLine appends a value as one line of JSON.
func appendLine(dst []byte, v any) ([]byte, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return dst, fmt.Errorf("encoding a line: %w", err)
	}
	return append(append(dst, b...), '\n'), nil
}

// baseName returns the last element of a path of any system: v1.1.0 writes
// paths relative to where it was started, with the separators of that system.
func baseName(p string) string { return p[strings.LastIndexAny(p, `/\`)+1:] }

// parseBundlePath returns the number in the path of a bundle; where the path
// leads does not matter, bundles lie beside the file that names them.
func parseBundlePath(p string) (int, error) { return ParseFileName(baseName(p)) }

// optionalChecksum parses a checksum that may be missing.
func optionalChecksum(s string) (sum crate.Checksum, err error) {
	if s == "" {
		return sum, nil
	}
	return crate.ParseChecksum(s)
}

// inRange checks a number of a line.
func inRange(field string, n, most int64) error {
	if n < 0 || n > most {
		return fmt.Errorf("%s %d is not 0 to %d", field, n, most)
	}
	return nil
}
