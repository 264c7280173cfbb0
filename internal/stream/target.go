package stream

import (
	"context"
	"io"
	"os"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
)

// Target is what a flag names that a run writes to: a file, which it makes and
// replaces, or a stream, as /dev/stdout, /dev/null or a FIFO is.
type Target struct {
	File   string       // at the end of symbolic links
	Stream durable.File // nil: it is a file
}

// OpenTarget opens what is a stream, so that what cannot be written to is known
// before anything is done. Of a file, it finds the name.
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

// Results is where the words of a run go, stdout or stderr: not among the data, if
// these go to standard output.
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
