package sidecar

import (
	"bufio"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
)

// A stream receives sidecars as they are made. Nothing can be taken back: only the exit
// code tells its reader that a run failed.
type stream struct {
	*bufio.Writer
	file durable.File
	name string
}

// StreamJSONL returns sidecars that are written to what stream.Open opened at name. The
// caller closes it.
func StreamJSONL(f durable.File, name string) *JSONL { return &JSONL{newStream(f, name)} }

// StreamParquet does the same with a table.
func StreamParquet(f durable.File, name string) *Parquet { return newParquet(newStream(f, name)) }

func newStream(f durable.File, name string) *stream {
	return &stream{Writer: bufio.NewWriterSize(f, 1<<16), file: f, name: name}
}

func (s *stream) String() string { return s.name }

// end writes the rest even if the run failed, so that the last line is complete.
func (s *stream) end(cause error) error {
	err := s.Flush()
	if err == nil {
		err = s.file.Sync()
	}
	if cause != nil {
		return nil // the cause is the error to report
	}
	return err
}

func (s *stream) earlier() (durable.File, error) { return nil, nil }
