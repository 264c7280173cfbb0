package sidecar

import (
	"bufio"
	"errors"
	"io"
	"io/fs"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
)

// PartExt is the suffix of a file's name until the file is complete. A killed run leaves
// such a file; the next run removes it.
const PartExt = ".part"

// A wholeFile is a sink that is a file. Once complete, it gets its name and replaces the
// file that has it.
type wholeFile struct {
	fsys durable.FS
	name string
	file *durable.WholeFile
	buf  *bufio.Writer
}

// A sink receives the bytes of sidecars in one file or stream.
type sink interface {
	io.Writer
	// end makes the bytes durable and gives the file its name. With a cause, it undoes what
	// can be undone.
	end(cause error) error
	// earlier opens the file to be replaced, or returns nil if there is none.
	earlier() (durable.File, error)
	String() string // its place, for messages
}

func newWholeFile(fsys durable.FS, name string) (*wholeFile, error) {
	if info, err := fsys.Stat(name); err == nil && !info.Mode().IsRegular() {
		return nil, &fs.PathError{Op: "replace", Path: name, Err: durable.ErrNotRegular}
	}
	f, err := durable.CreateWhole(fsys, name, name+PartExt)
	if err != nil {
		return nil, err
	}
	return &wholeFile{fsys: fsys, name: name, file: f, buf: bufio.NewWriterSize(f, 1<<20)}, nil
}

func (w *wholeFile) String() string { return w.name }

// Write implements io.Writer.
func (w *wholeFile) Write(p []byte) (int, error) { return w.buf.Write(p) }

// end publishes the file, or if there is a cause, removes it.
func (w *wholeFile) end(cause error) error {
	if cause != nil {
		return w.file.Discard()
	}
	if err := w.buf.Flush(); err != nil {
		return errors.Join(err, w.file.Discard())
	}
	return w.file.Replace()
}
