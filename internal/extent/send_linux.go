package extent

import (
	"errors"
	"io"
	"syscall"

	"golang.org/x/sys/unix"
)

const supported = true

// atOnce is how many bytes one call of sendfile requests. It returns earlier when the
// connection is full.
const atOnce = 1 << 20

// Write writes bytes. If more is set, the kernel may wait for further bytes before it sends
// a packet, so that the headers of an answer and the start of a file share one.
func (c *Conn) Write(p []byte, more bool, progress func()) (written int64, err error) {
	flags := unix.MSG_NOSIGNAL
	if more {
		flags |= unix.MSG_MORE
	}
	for len(p) > 0 && err == nil {
		var n int
		n, err = c.call(func(fd int) (int, error) { return unix.SendmsgN(fd, p, nil, nil, flags) })
		p, written = p[n:], written+int64(n)
		progress()
	}
	return written, err
}

// sendFile sends n bytes of a file from off on.
func (c *Conn) sendFile(file syscall.RawConn, off, n int64, progress func()) (sent int64, err error) {
	for sent < n && err == nil {
		var some int
		errFile := file.Control(func(src uintptr) { // keeps it open meanwhile
			some, err = c.call(func(fd int) (int, error) {
				return unix.Sendfile(fd, int(src), &off, int(min(n-sent, atOnce)))
			})
		})
		sent += int64(some)
		switch {
		case errFile != nil:
			return sent, errors.Join(ErrRead, errFile)
		case err == unix.EIO:
			return sent, errors.Join(ErrRead, err)
		case err == unix.EINVAL || err == unix.ENOSYS || err == unix.EOPNOTSUPP: // a file system without support
			return sent, errors.Join(errors.ErrUnsupported, err)
		case err == nil && some == 0:
			return sent, errors.Join(ErrRead, io.ErrUnexpectedEOF)
		}
		progress()
	}
	return sent, err
}

// call repeats a system call until the connection accepts bytes or its deadline passes.
func (c *Conn) call(do func(fd int) (int, error)) (n int, err error) {
	waited := c.raw.Write(func(fd uintptr) bool {
		for {
			n, err = do(int(fd))
			if err != unix.EINTR {
				break
			}
		}
		return err != unix.EAGAIN
	})
	if waited != nil {
		return 0, waited
	}
	return max(n, 0), err
}
