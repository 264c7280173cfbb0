package stream

import (
	"context"
	"io"
	"os"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
)

// Target is the output of a run that a flag names: a file, which the run makes and
// replaces, or a stream such as /dev/stdout, /dev/null or a FIFO.
type Target struct {
	File   string       // with symbolic links resolved
	Stream durable.File // nil: a file
}

// OpenTarget opens a stream, so that errors are known before anything is done. For a file,
// it finds the name.
func OpenTarget(ctx context.Context, path string) (t Target, err error) {
	file, streams, err := Resolve(path)
	if err != nil {
		return t, err
	}
	t.File = file
	if streams {
		t.Stream, err = Open(ctx, file)
	}
	return t, err
}

// Results returns where a run prints its messages: stderr if the data goes to standard
// output, otherwise stdout.
func (t *Target) Results(stdout, stderr io.Writer) io.Writer {
	if t.Stream == nil || t.File == os.DevNull {
		return stdout
	}
	data, err := t.Stream.Stat()
	if err != nil {
		return stdout
	}
	if out, err := os.Stdout.Stat(); err == nil && os.SameFile(data, out) {
		return stderr
	}
	return stdout
}

// Close closes a stream.
func (t *Target) Close() error {
	if t.Stream == nil {
		return nil
	}
	return t.Stream.Close()
}
