package durabletest

import (
	"errors"
	"io"
	"io/fs"
	"slices"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
)

// memFile is an open file of a Mem.
type memFile struct {
	m      *Mem
	node   *node
	name   string
	mode   mode
	pos    int64
	closed bool
}

var _ durable.File = (*memFile)(nil)

// mode says what a file was opened for.
type mode int

const (
	reading mode = iota
	writing
	appending
)

var errBadMode = errors.New("file is open for reading only")

// lock starts every operation on an open file. It rejects writes to a file that has its
// final name.
func (f *memFile) lock(op string, writes bool) error {
	f.m.mu.Lock()
	var err error
	switch {
	case f.closed:
		err = fs.ErrClosed
	case writes && f.mode == reading:
		err = errBadMode
	case writes && f.node.final:
		err = ErrFinal
	default:
		return nil
	}
	f.m.mu.Unlock()
	return &fs.PathError{Op: op, Path: f.name, Err: err}
}

func (f *memFile) Read(p []byte) (int, error) {
	if err := f.lock("read", false); err != nil {
		return 0, err
	}
	defer f.m.mu.Unlock()
	n, err := f.node.readAt(p, f.pos)
	f.pos += int64(n)
	if n > 0 {
		err = nil
	}
	return n, err
}

func (f *memFile) ReadAt(p []byte, off int64) (int, error) {
	if err := f.lock("read", false); err != nil {
		return 0, err
	}
	defer f.m.mu.Unlock()
	if off < 0 {
		return 0, &fs.PathError{Op: "readat", Path: f.name, Err: fs.ErrInvalid}
	}
	return f.node.readAt(p, off)
}

func (f *memFile) Write(p []byte) (int, error) {
	if err := f.lock("write", true); err != nil {
		return 0, err
	}
	defer f.m.mu.Unlock()
	if f.mode == appending {
		f.pos = int64(len(f.node.data))
	}
	f.node.writeAt(p, f.pos)
	f.pos += int64(len(p))
	return len(p), nil
}

func (f *memFile) Seek(offset int64, whence int) (int64, error) {
	if err := f.lock("seek", false); err != nil {
		return 0, err
	}
	defer f.m.mu.Unlock()
	switch whence {
	case io.SeekCurrent:
		offset += f.pos
	case io.SeekEnd:
		offset += int64(len(f.node.data))
	}
	if offset < 0 {
		return 0, &fs.PathError{Op: "seek", Path: f.name, Err: fs.ErrInvalid}
	}
	f.pos = offset
	return offset, nil
}

func (f *memFile) Stat() (fs.FileInfo, error) {
	if err := f.lock("stat", false); err != nil {
		return nil, err
	}
	defer f.m.mu.Unlock()
	return f.node.info(f.name), nil
}

func (f *memFile) Truncate(size int64) error {
	if err := f.lock("truncate", true); err != nil {
		return err
	}
	defer f.m.mu.Unlock()
	if size < 0 {
		return &fs.PathError{Op: "truncate", Path: f.name, Err: fs.ErrInvalid}
	}
	f.node.truncate(int(size))
	return nil
}

func (f *memFile) Sync() error {
	if err := f.lock("sync", false); err != nil {
		return err
	}
	defer f.m.mu.Unlock()
	f.node.sync()
	return nil
}

func (f *memFile) Close() error {
	if err := f.lock("close", false); err != nil {
		return err
	}
	defer f.m.mu.Unlock()
	f.closed = true
	return nil
}

func (n *node) readAt(p []byte, off int64) (int, error) {
	if off >= int64(len(n.data)) {
		if len(p) == 0 {
			return 0, nil
		}
		return 0, io.EOF
	}
	c := copy(p, n.data[off:])
	if c < len(p) {
		return c, io.EOF
	}
	return c, nil
}

// writeAt keeps the promise of node.data: it does not change bytes that a clone may share.
// Appends go after them; anything else goes to a copy.
func (n *node) writeAt(p []byte, off int64) {
	if off > int64(len(n.data)) {
		n.truncate(int(off))
	}
	if off < int64(len(n.data)) && len(p) > 0 {
		n.stable = min(n.stable, int(off))
		data := slices.Clone(n.data)
		c := copy(data[off:], p)
		n.data = append(data, p[c:]...)
		return
	}
	n.data = append(n.data, p...)
}

func (n *node) truncate(size int) {
	if size > len(n.data) {
		n.data = append(n.data, make([]byte, size-len(n.data))...)
		return
	}
	n.stable = min(n.stable, size)
	n.data = n.data[:size:size] // the next append copies
}

func (n *node) sync() {
	n.synced = n.data[:len(n.data):len(n.data)]
	n.stable = len(n.data)
}
