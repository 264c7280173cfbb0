package cli

import (
	"context"
	"io"
	"os"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/stream"
)

// target is what a flag names that a run writes to: a file, which it makes and
// replaces, or a stream, as /dev/stdout, /dev/null or a FIFO is.
type target struct {
	file   string       // at the end of symbolic links
	stream durable.File // nil: it is a file
}

// openTarget opens what is a stream, so that what cannot be written to is known
// before anything is done. Of a file, it finds the name.
func openTarget(ctx context.Context, path string) (t target, err error) {
	file, streams, err := stream.Resolve(path)
	if err != nil {
		return t, err
	}
	t.file = file
	if streams {
		t.stream, err = stream.Open(ctx, file)
	}
	return t, err
}

// results is where the words of a run go: not among the data, if these go to
// stdout.
func (t *target) results(a *App) io.Writer {
	if t.stream == nil || t.file == os.DevNull {
		return a.Stdout
	}
	data, err := t.stream.Stat()
	if err != nil {
		return a.Stdout
	}
	if out, err := os.Stdout.Stat(); err == nil && os.SameFile(data, out) {
		return a.Stderr
	}
	return a.Stdout
}

// close closes a stream.
func (t *target) close() error {
	if t.stream == nil {
		return nil
	}
	return t.stream.Close()
}
