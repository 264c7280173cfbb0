// Package stream writes to output paths that are not files on a disk: a FIFO, a character
// device, or an open file of this process such as /dev/stdout. Written data cannot be taken
// back, and such a path is never replaced, moved or locked. Package durable handles files.
package stream

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
)

// Error says that a stream can no longer be written: its reader has left, or its disk is
// full. What was written before cannot be written again.
type Error struct {
	Path string
	Err  error
}

func (e *Error) Error() string { return fmt.Sprintf("writing to %s: %v", e.Path, e.Err) }
func (e *Error) Unwrap() error { return e.Err }

// How long to wait for a stream.
var (
	readerWait  = 10 * time.Second // a FIFO without a reader
	streamGrace = 10 * time.Second // a reader that reads nothing, once the program is stopping
)

// stream is a File that can only be written: it cannot be cut back, and needs no sync
// unless it leads to a file.
type stream struct {
	durable.File // f, without the methods with which io.Copy would bypass Write
	f            *os.File
	path         string
	ctx          context.Context
	regular      bool
	settle       func() bool // ends the watch on ctx
}

// Open opens what [Resolve] calls a stream for writing. It creates nothing. It waits for
// the reader of a FIFO, for some seconds or until ctx ends. If ctx ends while a FIFO is
// full, its reader gets some more seconds.
func Open(ctx context.Context, path string) (durable.File, error) {
	f, err := open(ctx, path)
	if err != nil {
		return nil, durable.PathError("write", path, err)
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, durable.PathError("write", path, err)
	}
	// Files without deadlines (terminals, inherited files) refuse this one.
	grace := streamGrace
	stop := context.AfterFunc(ctx, func() { _ = f.SetWriteDeadline(time.Now().Add(grace)) })
	return &stream{File: f, f: f, path: path, ctx: ctx, regular: info.Mode().IsRegular(), settle: stop}, nil
}

func (s *stream) Write(p []byte) (int, error) {
	n, err := s.f.Write(p)
	switch {
	case err == nil:
		return n, nil
	case errors.Is(err, os.ErrDeadlineExceeded):
		err = context.Cause(s.ctx)
	}
	return n, &Error{Path: s.path, Err: durable.Classify(err)}
}

func (s *stream) Sync() error {
	if !s.regular {
		return nil
	}
	return durable.PathError("sync", s.path, s.f.Sync())
}

func (s *stream) Truncate(int64) error {
	return durable.PathError("truncate", s.path, errors.ErrUnsupported)
}

func (s *stream) Close() error {
	s.settle()
	return s.f.Close()
}

// check refuses targets that can only be a mistake: v1.1.0 even wrote to disks.
func check(mode fs.FileMode) error {
	switch mode.Type() {
	case 0, fs.ModeNamedPipe, fs.ModeDevice | fs.ModeCharDevice:
		return nil
	}
	return errors.New("it is neither a file, a FIFO nor a character device")
}
