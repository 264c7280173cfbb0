package registry

import (
	"errors"
	"io"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/extent"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/reader"
)

// watched is a crate file being sent to a client. It remembers why reading failed, which
// http.ServeContent does not report.
type watched struct {
	file *reader.File
	at   int64 // offset of the next byte
	err  error
}

// Read implements io.Reader.
func (c *watched) Read(p []byte) (int, error) {
	left := c.file.Size() - c.at
	if left <= 0 {
		return 0, io.EOF
	}
	n, err := c.file.ReadAt(p[:min(int64(len(p)), left)], c.at)
	c.at += int64(n)
	if err == io.EOF && n > 0 {
		err = nil
	} else if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		c.err = err
	}
	return n, err
}

// Seek implements io.Seeker, without touching the file.
func (c *watched) Seek(to int64, from int) (int64, error) {
	switch from {
	case io.SeekCurrent:
		to += c.at
	case io.SeekEnd:
		to += c.file.Size()
	}
	if to < 0 {
		return 0, errors.New("seeking before the start of a crate")
	}
	c.at = to
	return to, nil
}

// leastSent is the minimum number of bytes for the kernel to send: copying fewer is
// cheaper.
const leastSent = 2 << 10

// CanSend implements sendable.
func (c *watched) CanSend(n int64) bool {
	if n < leastSent {
		return false
	}
	_, all := extent.Of(c.file.Content)
	return len(all) > 0
}

// Send implements sendable.
func (c *watched) Send(to *extent.Conn, n int64, progress func()) (int64, error) {
	f, all := extent.Of(c.file.Content)
	sent, err := to.Send(f, extent.Slice(all, c.at, n), progress)
	c.at += sent
	if errors.Is(err, extent.ErrRead) {
		c.err = err
	}
	return sent, err
}
