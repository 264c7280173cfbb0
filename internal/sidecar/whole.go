package sidecar

import (
	"bufio"
	"errors"
	"io"
	"io/fs"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
)

// PartExt is what the name of a file has behind it until the file is whole. A
// run that was killed leaves such a file; the next one removes it.
const PartExt = ".part"

// A wholeFile is a sink that is a file. It gets its name when it is whole, in the
// place of what has it then.
type wholeFile struct {
	fsys durable.FS
	name string
	file *durable.WholeFile
	buf  *bufio.Writer
}

// A sink takes the bytes of sidecars in one file, or a stream.
type sink interface {
	io.Writer
	// end makes them durable and gives them their name, or with a cause takes back
	// what can be taken back.
	end(cause error) error
	// earlier opens the file to replace, nil if there is none.
	earlier() (durable.File, error)
	String() string // where it is, for texts
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

// end publishes the file, or removes what there is of it if there is a cause.
func (w *wholeFile) end(cause error) error {
	if cause != nil {
		return w.file.Discard()
	}
	if err := w.buf.Flush(); err != nil {
		return errors.Join(err, w.file.Discard())
	}
	return w.file.Replace()
}
