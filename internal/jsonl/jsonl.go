// Package jsonl reads files of one JSON value a line, as manifests and catalogs are.
// Their writer may have been cut off, or may be hostile: a line that cannot be used costs
// itself, and memory does not grow with the file.
//
// Lines end with LF; a CR before it is no part of the line, and empty lines are none. The
// caller decides what is in a line.
package jsonl

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
)

// ErrTorn: the last line has no end, as after a power cut.
var ErrTorn = errors.New("line has no end")

// A LineError says which line of a file is wrong. Reading continues after it.
type LineError struct {
	Line int // from 1
	Err  error
}

func (e *LineError) Error() string { return fmt.Sprintf("line %d: %v", e.Line, e.Err) }
func (e *LineError) Unwrap() error { return e.Err }

// Read yields what decode makes of every line of r, which is valid while decode
// runs. A line that decode refuses, that is longer than maxLine bytes
// (bufio.ErrTooLong) or that has no end (ErrTorn) yields a *LineError in place of
// a value. An error of r ends the sequence.
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

// reader splits into lines.
type reader struct {
	br   *bufio.Reader
	max  int
	line []byte
}

// next returns a line without its end, valid until the next call; io.EOF after
// the last.
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
