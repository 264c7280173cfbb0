// Package jsonl reads files with one JSON value per line, such as manifests and catalogs.
// Their writer may have been interrupted, or may be hostile: an unusable line costs only that
// line, and memory does not grow with the file.
//
// Lines end with LF; a CR before it is not part of the line. Empty lines are skipped. The
// caller decides what a line contains.
package jsonl

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
)

// ErrTorn means that the last line has no end, as after a power failure.
var ErrTorn = errors.New("line has no end")

// A LineError says which line of a file is wrong. Reading continues after it.
type LineError struct {
	Line int // from 1
	Err  error
}

func (e *LineError) Error() string { return fmt.Sprintf("line %d: %v", e.Line, e.Err) }
func (e *LineError) Unwrap() error { return e.Err }

// Read yields the result of decode for each line of r; the line is valid only while decode
// runs. A *LineError takes the place of the value if decode refuses the line, if the line is
// longer than maxLine bytes (bufio.ErrTooLong), or if it has no end (ErrTorn). An error of r
// ends the sequence.
func Read[T any](r io.Reader, maxLine int, decode func(line []byte) (T, error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		lines := reader{br: bufio.NewReaderSize(r, 1<<16), max: maxLine}
		for n := 1; ; n++ {
			line, err := lines.next()
			var v T
			switch {
			case err == io.EOF:
				return
			case err == nil && len(line) == 0:
				continue
			case err == nil:
				v, err = decode(line)
			case err != ErrTorn && err != bufio.ErrTooLong:
				yield(none, fmt.Errorf("reading line %d: %w", n, err))
				return
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

// reader splits a stream into lines.
type reader struct {
	br   *bufio.Reader
	max  int
	line []byte
}

// next returns a line without its end, valid until the next call, or io.EOF after the last
// one.
func (r *reader) next() ([]byte, error) {
	r.line = r.line[:0]
	long := false
	for {
		part, err := r.br.ReadSlice('\n')
		if long = long || len(r.line)+len(part) > r.max; !long {
			r.line = append(r.line, part...)
		}
		switch {
		case err == bufio.ErrBufferFull:
			continue
		case err == io.EOF && len(r.line) == 0 && !long:
			return nil, io.EOF
		case err == io.EOF:
			return nil, ErrTorn
		case err != nil:
			return nil, err
		case long:
			return nil, bufio.ErrTooLong
		}
		return bytes.TrimSuffix(bytes.TrimSuffix(r.line, []byte("\n")), []byte("\r")), nil
	}
}
