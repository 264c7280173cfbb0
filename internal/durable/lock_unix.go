//go:build unix

package durable

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

const lockFlags = unix.O_NOFOLLOW | unix.O_NONBLOCK

// errLocked is flock's error when the lock is held.
var errLocked = unix.EWOULDBLOCK

// flock locks the open file description, not the process as fcntl's locks do, which a
// second open in the same process would pass and any close would drop. Children do not
// inherit it, because Go opens files close-on-exec.
func flock(f *os.File) error {
	err := control(f, func(fd uintptr) error {
		return ignoringEINTR(func() error { return unix.Flock(int(fd), unix.LOCK_EX|unix.LOCK_NB) })
	})
	if errors.Is(err, unix.ENOLCK) || errors.Is(err, errors.ErrUnsupported) {
		return errors.Join(errors.New("this file system does not support locks: use another one for the mirror"), err)
	}
	return err
}

func ignoringEINTR(f func() error) error {
	for {
		if err := f(); err != unix.EINTR {
			return err
		}
	}
}
