package sidecar

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
)

// PartExt is what the name of a file has behind it until the file is whole. A
// run that was killed leaves such a file; the next one removes it.
const PartExt = ".part"

// A wholeFile is written under another name and gets its own when it is whole,
// in the place of what has it then.
//
// While it is written, a second open file sees to it that bytes are on their way
// to the disk: there are some GB, and to wait for all of them at the end takes
// as long as everything before.
type wholeFile struct {
	fsys   durable.FS
	name   string
	file   durable.File
	buf    *bufio.Writer
	ahead  int64         // bytes since the last sync was asked for
	sync   chan struct{} // asks for one
	synced chan error    // what all of them have come to
}

// A sink takes the bytes of sidecars in one file, or a stream.
type sink interface {
	io.Writer
	// end makes them durable and gives them their name, or with a cause takes back
	// what can be taken back.
	end(cause error) error
	// earlier opens the file that is to be replaced, nil if there is none.
	earlier() (durable.File, error)
	String() string // where it is, for texts
}

// syncBytes is how much is written between two syncs.
const syncBytes = 64 << 20

func newWholeFile(fsys durable.FS, name string) (*wholeFile, error) {
	if info, err := fsys.Stat(name); err == nil && !info.Mode().IsRegular() {
		return nil, &fs.PathError{Op: "replace", Path: name, Err: durable.ErrNotRegular}
	}
	part := name + PartExt
	if err := fsys.Remove(part); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	f, err := fsys.Create(part)
	if err != nil {
		return nil, err
	}
	again, err := fsys.Append(part)
	if err != nil {
		return nil, errors.Join(err, f.Close(), fsys.Remove(part))
	}
	w := &wholeFile{fsys: fsys, name: name, file: f, buf: bufio.NewWriterSize(f, 1<<20), sync: make(chan struct{}, 1), synced: make(chan error, 1)}
	go func() {
		var err error
		for range w.sync {
			err = cmp.Or(err, again.Sync())
		}
		w.synced <- cmp.Or(err, again.Close())
	}()
	return w, nil
}

func (w *wholeFile) String() string { return w.name }

// Write implements io.Writer.
func (w *wholeFile) Write(p []byte) (int, error) {
	n, err := w.buf.Write(p)
	if err != nil {
		return n, fmt.Errorf("writing %s: %w", w.name, err)
	}
	if w.ahead += int64(n); w.ahead >= syncBytes {
		select {
		case w.sync <- struct{}{}:
			w.ahead = 0
		default: // the disk is behind as it is
		}
	}
	return n, nil
}

// end publishes the file, or removes what there is of it if there is a cause.
func (w *wholeFile) end(cause error) error {
	if cause != nil {
		return w.abandon()
	}
	return w.publish()
}

// publish makes the file durable and gives it its name.
func (w *wholeFile) publish() error {
	err := w.buf.Flush()
	close(w.sync)
	err = cmp.Or(err, <-w.synced)
	if err == nil {
		err = w.file.Sync()
	}
	if err = cmp.Or(err, w.file.Close()); err == nil {
		err = w.fsys.Replace(w.name+PartExt, w.name)
	}
	if err != nil {
		_ = w.fsys.Remove(w.name + PartExt) // the error above is the one to tell
		return fmt.Errorf("writing %s: %w", w.name, err)
	}
	return w.fsys.SyncDir(path.Dir(w.name))
}

// abandon removes what was written.
func (w *wholeFile) abandon() error {
	close(w.sync)
	<-w.synced // nobody wants these bytes
	return errors.Join(w.file.Close(), w.fsys.Remove(w.name+PartExt))
}
