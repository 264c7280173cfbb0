package overlay

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/root"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

// file is an object that is read like a file.
type file struct {
	io.ReadSeeker // of one goroutine
	folder        *folder
	named         root.File
	ahead         *ahead // nil: reads are not expected to go forward

	mu  sync.Mutex // guards what follows
	tag bucket.Tag // of the object when it was first read; empty: not yet
}

var _ durable.Ranged = (*file)(nil)

func (f *folder) open(named root.File) *file {
	opened := &file{folder: f, named: named}
	opened.ReadSeeker = io.NewSectionReader(opened, 0, named.Size)
	if f.source.ReadAhead {
		opened.ahead = new(ahead)
	}
	return opened
}

// Range implements durable.Ranged.
func (f *file) Range(ctx context.Context, offset, size int64) (io.ReaderAt, error) {
	if offset < 0 || size < 0 || offset > f.named.Size-size {
		return nil, fmt.Errorf("%s has %d bytes, not %d from %d on", f.named.Name, f.named.Size, size, offset)
	}
	if f.ahead != nil {
		if data, err := f.ahead.read(offset, size, f.named.Size, func(offset, size int64) ([]byte, error) { return f.get(ctx, offset, size) }); data != nil || err != nil {
			return stretch{bytes.NewReader(data), offset}, err
		}
	}
	if size > chunkSize {
		return &chunked{file: f, ctx: ctx, end: offset + size}, nil
	}
	data, err := f.get(ctx, offset, size)
	return stretch{bytes.NewReader(data), offset}, err
}

// get reads a part of the object with one request.
func (f *file) get(ctx context.Context, offset, size int64) (_ []byte, err error) {
	if size == 0 {
		return nil, nil
	}
	f.mu.Lock()
	ask := bucket.Ask{Offset: offset, Length: size, Same: f.tag}
	f.mu.Unlock()
	body, object, err := f.folder.source.bucket.Get(ctx, root.Key(f.folder.dir, f.named.Name), ask)
	if errors.Is(err, bucket.ErrChanged) { // stored again, as after a loss: the next read uses the new object
		f.mu.Lock()
		f.tag = ""
		f.mu.Unlock()
	}
	if err != nil {
		return nil, f.failed(away(err))
	}
	defer func() { err = errors.Join(err, body.Close()) }()
	if object.Size != f.named.Size {
		return nil, f.failed(fmt.Errorf("the object has %d bytes, the root says %d", object.Size, f.named.Size))
	}
	f.mu.Lock()
	f.tag = object.Tag
	f.mu.Unlock()
	data := make([]byte, size)
	if _, err = io.ReadFull(body, data); err != nil {
		return nil, f.failed(away(err))
	}
	return data, nil
}

// away marks errors that mean that a bucket cannot be reached, as opposed to lacking the
// bytes.
func away(err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, bucket.ErrChanged) || errors.Is(err, bucket.ErrRange) {
		return err
	}
	return fmt.Errorf("%w: %w", store.ErrAway, err)
}

func (f *file) failed(err error) error {
	return &fs.PathError{Op: "read", Path: f.folder.source.bucket.String() + "/" + root.Key(f.folder.dir, f.named.Name), Err: err}
}

// ReadAt implements durable.File.
func (f *file) ReadAt(p []byte, offset int64) (int, error) {
	if offset < 0 || offset >= f.named.Size {
		return 0, io.EOF
	}
	n := int(min(int64(len(p)), f.named.Size-offset))
	r, err := f.Range(context.Background(), offset, int64(n)) // the bucket has its own timeouts
	if err != nil {
		return 0, err
	}
	if _, err = r.ReadAt(p[:n], offset); err == nil && n < len(p) {
		err = io.EOF
	}
	return n, err
}

// Stat implements durable.File.
func (f *file) Stat() (fs.FileInfo, error) { return info{f.named}, nil }

// State returns a state that never changes, because the bytes have the file's checksum.
func (f *file) State() (durable.State, error) {
	return durable.State{ID: binary.BigEndian.Uint64(f.named.SHA256[:]) | 1, Size: f.named.Size}, nil
}

// Close implements durable.File.
func (f *file) Close() error { return nil }

// Sync implements durable.File. It does nothing: the bucket makes its objects durable.
func (f *file) Sync() error { return nil }

// Write implements durable.File.
func (f *file) Write([]byte) (int, error) { return 0, f.failed(durable.ErrReadOnly) }

// Truncate implements durable.File.
func (f *file) Truncate(int64) error { return f.failed(durable.ErrReadOnly) }

// stretch is a part of a file in memory, read by the offsets of the file.
type stretch struct {
	*bytes.Reader
	start int64
}

func (s stretch) ReadAt(p []byte, offset int64) (int, error) {
	if offset < s.start {
		return 0, fmt.Errorf("read at offset %d, which is before the stretch that was asked for", offset)
	}
	return s.Reader.ReadAt(p, offset-s.start)
}
