//go:build unix

package stream

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

func open(ctx context.Context, path string) (*os.File, error) {
	if fd, ok := descriptor(path); ok {
		return duplicate(fd, path)
	}
	info, err := os.Stat(path)
	if err == nil {
		err = check(info.Mode())
	}
	if err != nil {
		return nil, err
	}
	// Appending, because another process's file behind /proc may be a regular file.
	const flags = os.O_WRONLY | os.O_APPEND | unix.O_NOCTTY
	if info.Mode()&fs.ModeNamedPipe == 0 {
		return os.OpenFile(path, flags, 0)
	}
	for end := time.Now().Add(readerWait); ; {
		f, err := os.OpenFile(path, flags|unix.O_NONBLOCK, 0)
		switch {
		case !errors.Is(err, unix.ENXIO):
			return f, err
		case time.Now().After(end):
			return nil, fmt.Errorf("nothing has opened this FIFO for reading within %v: start its reader first", readerWait)
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

var descriptorName = regexp.MustCompile(`^(?:/dev/fd|/proc/(?:self|thread-self|` + strconv.Itoa(os.Getpid()) + `)/fd)/(\d{1,9})$`)

// descriptor returns the number of an open file of this process that a path names.
func descriptor(path string) (fd int, ok bool) {
	path, err := filepath.Abs(path)
	if err != nil {
		return 0, false
	}
	switch path {
	case "/dev/stdin":
		return 0, true
	case "/dev/stdout":
		return 1, true
	case "/dev/stderr":
		return 2, true
	}
	m := descriptorName.FindStringSubmatch(path)
	if m == nil {
		return 0, false
	}
	fd, err = strconv.Atoi(m[1])
	return fd, err == nil
}

// duplicate returns a duplicate of an open file of this process. Opening it a second time
// would begin at its first byte, overwrite what ">>" or another program has written, and
// fail for sockets and for pipes of other users. The number differs from 1, so a write
// after the reader has left fails, and no signal ends the process.
func duplicate(fd int, path string) (*os.File, error) {
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	if err != nil {
		return nil, err
	}
	if flags&unix.O_ACCMODE == unix.O_RDONLY {
		return nil, errors.New("it is open for reading alone")
	}
	other, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(other), path), nil
}
