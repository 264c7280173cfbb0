// Package stream writes to output paths that are no files of a disk: a FIFO, a character
// device, an open file of this process as /dev/stdout is. What was written cannot be
// taken back: such a path is neither replaced, moved nor locked. Files are package
// durable's.
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

// Error is a stream that cannot be written any more: its reader has gone, or its disk is
// full. What was written to it before cannot be written again.
type Error struct {
	Path string
	Err  error
}

func (e *Error) Error() string { return fmt.Sprintf("writing to %s: %v", e.Path, e.Err) }
func (e *Error) Unwrap() error { return e.Err }

// How long a stream is waited for.
var (
	readerWait  = 10 * time.Second // a FIFO without a reader
	streamGrace = 10 * time.Second // a reader that takes nothing, once the program is to stop
)

// stream is a File to which one can only write: there is nothing to cut back, and
// nothing to sync unless it leads to a file.
type stream struct {
	durable.File // f, without what io.Copy would write around Write by
	f            *os.File
	path         string
	ctx          context.Context
	regular      bool
	settle       func() bool // ends the watch on ctx
}

// Open opens what [Resolve] calls a stream for writing. Nothing is created.
// A FIFO that nothing reads yet is waited for, some seconds or until ctx ends.
// Where ctx ends while a FIFO is full, its reader has some seconds left.
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
	// Files without deadlines (terminals, what is inherited) refuse this one.
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

// check refuses what a slip of the hand must not write to: v1.1.0 wrote to
// disks, too.
func check(mode fs.FileMode) error {
	switch mode.Type() {
	case 0, fs.ModeNamedPipe, fs.ModeDevice | fs.ModeCharDevice:
		return nil
	}
	return errors.New("it is neither a file, a FIFO nor a character device")
}
