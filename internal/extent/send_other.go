//go:build !linux

package extent

import (
	"errors"
	"syscall"
)

// On other systems, sendfile moves the position of the file, which readers share, or is
// limited to some sockets: bytes are copied there.
const supported = false

// Write writes bytes.
func (*Conn) Write([]byte, bool, func()) (int64, error) { return 0, errors.ErrUnsupported }

func (*Conn) sendFile(syscall.RawConn, int64, int64, func()) (int64, error) {
	return 0, errors.ErrUnsupported
}
