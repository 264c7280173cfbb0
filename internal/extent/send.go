package extent

import (
	"errors"
	"syscall"
)

// ErrRead wraps errors of the file, to tell them from those of the connection.
var ErrRead = errors.New("reading the file that is being sent")

// A Conn is a connection that the kernel can send to.
type Conn struct{ raw syscall.RawConn }

// NewConn returns false if the kernel cannot send files to c.
func NewConn(c syscall.Conn) (*Conn, bool) {
	raw, err := c.SyscallConn()
	if err != nil || !supported {
		return nil, false
	}
	return &Conn{raw}, true
}

// Send sends extents of f within the deadlines of the connection, and calls progress
// whenever some bytes were accepted. Errors: errors.ErrUnsupported if the caller must send
// the rest another way; those that wrap ErrRead.
func (c *Conn) Send(f File, all []Extent, progress func()) (sent int64, err error) {
	raw, err := f.SyscallConn()
	if err != nil {
		return 0, errors.Join(ErrRead, err)
	}
	for i, e := range all {
		var n int64
		if e.Data != nil {
			n, err = c.Write(e.Data, i < len(all)-1, progress)
		} else {
			n, err = c.sendFile(raw, e.Off, e.N, progress)
		}
		sent += n
		if err != nil {
			return sent, err
		}
	}
	return sent, nil
}
