package sidecar

import (
	"bufio"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
)

// A stream takes sidecars as they come. Nothing of it can be taken back: that a
// run failed, its reader learns from the exit code alone.
type stream struct {
	*bufio.Writer
	file durable.File
	name string
}

// StreamJSONL writes to what stream.Open opened at name. The caller closes it.
func StreamJSONL(f durable.File, name string) *JSONL { return &JSONL{newStream(f, name)} }

// StreamParquet does the same with a table.
func StreamParquet(f durable.File, name string) *Parquet { return newParquet(newStream(f, name)) }

func newStream(f durable.File, name string) *stream {
	return &stream{Writer: bufio.NewWriterSize(f, 1<<16), file: f, name: name}
}

func (s *stream) String() string { return s.name }

// end writes what is left also of a run that failed: the last line is whole.
func (s *stream) end(cause error) error {
	err := s.Flush()
	if err == nil {
		err = s.file.Sync()
	}
	if cause != nil {
		return nil // the cause is what to tell
	}
	return err
}

func (s *stream) earlier() (durable.File, error) { return nil, nil }
