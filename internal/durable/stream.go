package durable

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"
)

// StreamError is a stream that takes no more: its reader has gone, or its disk is
// full. What was written to it before cannot be written again.
type StreamError struct {
	Path string
	Err  error
}

func (e *StreamError) Error() string { return fmt.Sprintf("writing to %s: %v", e.Path, e.Err) }
func (e *StreamError) Unwrap() error { return e.Err }

// How long a stream is waited for.
var (
	readerWait  = 10 * time.Second // a FIFO without a reader
	streamGrace = 10 * time.Second // a reader that takes nothing, once the program is to stop
)

// stream is a File to which one can only write. What it takes is gone: there is
// nothing to cut back, and nothing to sync unless it leads to a file.
type stream struct {
	file
	path    string
	ctx     context.Context
	regular bool
	settle  func() bool // ends the watch on ctx
}

// OpenStream opens what [Resolve] calls a stream for writing. Nothing is created.
// A FIFO that nothing reads yet is waited for, some seconds or until ctx ends.
// Where ctx ends while a FIFO is full, its reader has some seconds left.
func OpenStream(ctx context.Context, path string) (File, error) {
	f, err := openStream(ctx, path)
	if err != nil {
		return nil, pathError("write", path, err)
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, pathError("write", path, err)
	}
	// Files without deadlines (terminals, what is inherited) refuse this one.
	grace := streamGrace
	stop := context.AfterFunc(ctx, func() { _ = f.SetWriteDeadline(time.Now().Add(grace)) })
	return &stream{file: file{f: f}, path: path, ctx: ctx, regular: info.Mode().IsRegular(), settle: stop}, nil
}

func (s *stream) Write(p []byte) (int, error) {
	n, err := s.f.Write(p)
	switch {
	case err == nil:
		return n, nil
	case errors.Is(err, os.ErrDeadlineExceeded):
		err = context.Cause(s.ctx)
	}
	return n, &StreamError{Path: s.path, Err: classify(err)}
}

func (s *stream) Sync() error {
	if !s.regular {
		return nil
	}
	return s.file.Sync()
}

func (s *stream) Truncate(int64) error {
	return pathError("truncate", s.path, errors.ErrUnsupported)
}

func (s *stream) Close() error {
	s.settle()
	return s.file.Close()
}

// checkStream refuses what a slip of the hand must not write to: v1.1.0 wrote to
// disks, too.
func checkStream(mode fs.FileMode) error {
	switch mode.Type() {
	case 0, fs.ModeNamedPipe, fs.ModeDevice | fs.ModeCharDevice:
		return nil
	}
	return errors.New("it is neither a file, a FIFO nor a character device")
}
