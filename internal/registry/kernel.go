package registry

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/extent"
)

// This is how a crate file reaches a client. http.ServeContent calls response.ReadFrom with
// a sendable, limited to the requested range. ReadFrom tells the connection that more
// follows the headers, and passes the reader to net/http. That writes the headers and the
// first 512 bytes, then lets its connection, a limitedConn, read the rest from the same
// reader. Layers between may limit and wait, but must pass on the reader itself.

type connKey struct{}

// withConn is http.Server.ConnContext. If the kernel can send files to the connection, it
// adds the connection to the context of requests, and lets package plainget answer plain
// requests. With TLS, c has another type, and nothing changes.
func (s *Server) withConn(ctx context.Context, c net.Conn) context.Context {
	conn, ok := c.(*limitedConn)
	if !ok {
		return ctx
	}
	tcp, ok := conn.Conn.(syscall.Conn)
	if ok {
		conn.kernel, ok = extent.NewConn(tcp)
	}
	if !ok {
		return ctx
	}
	ctx = context.WithValue(ctx, connKey{}, conn)
	conn.plain = s.plain.NewConn(ctx, conn, conn.Conn)
	return ctx
}

// tellIdle is http.Server.ConnState. It tells package plainget which connections are idle.
func tellIdle(c net.Conn, state http.ConnState) {
	if conn, ok := c.(*limitedConn); ok && state == http.StateIdle && conn.plain != nil {
		conn.plain.SetIdle()
	}
}

// isPlain reports whether package plainget may answer requests for a path.
func isPlain(path string) bool {
	rest, ok := strings.CutPrefix(path, "/crates/")
	if !ok {
		return strings.HasPrefix(path, "/index/")
	}
	if strings.HasSuffix(rest, "/download") {
		return true
	}
	_, file, _ := strings.Cut(rest, "/")
	isPage := !strings.Contains(file, "/") && file != "" && '0' <= file[0] && file[0] <= '9' // of a version: 1.0.0-a.crate
	return strings.HasSuffix(file, crate.Ext) && !isPage
}

// connOf returns the connection of a request, or nil if bytes must be copied to it.
func connOf(r *http.Request) *limitedConn {
	conn, _ := r.Context().Value(connKey{}).(*limitedConn)
	return conn
}

// sendable is a source that the kernel may send from a file: a crate file, or a bundle for
// peers.
type sendable interface {
	// CanSend reports whether the kernel can send the next n bytes.
	CanSend(n int64) bool
	// Send makes the kernel send them, as far as it can. Errors: errors.ErrUnsupported for
	// the rest.
	Send(to *extent.Conn, n int64, progress func()) (int64, error)
}

// sendsTo returns the source from which src reads, and the limit that applies; nil if the
// kernel cannot send it.
func sendsTo(src io.Reader) (*io.LimitedReader, sendable) {
	limited, ok := src.(*io.LimitedReader)
	if !ok {
		return nil, nil
	}
	content, _ := limited.R.(sendable)
	return limited, content
}

// Write implements net.Conn.
func (c *limitedConn) Write(p []byte) (int, error) {
	if c.held != nil && len(p) <= cap(c.held)-len(c.held) {
		c.held = append(c.held, p...)
		return len(p), nil
	}
	if err := c.release(); err != nil {
		return 0, err
	}
	if c.sending == nil {
		return c.Conn.Write(p)
	}
	n, err := c.kernel.Write(p, true, c.sending)
	return int(n), err
}

// release writes the bytes that were held back. If the connection takes only part of them,
// it is closed: its client would take anything that follows for the rest.
func (c *limitedConn) release() error {
	held := c.held
	c.held = nil
	if len(held) == 0 {
		return nil
	}
	_, err := c.Conn.Write(held)
	if err != nil {
		_ = c.Close()
	}
	return err
}

// ReadFrom implements io.ReaderFrom; net/http calls it to write a body.
func (c *limitedConn) ReadFrom(src io.Reader) (sent int64, err error) {
	limited, content := sendsTo(src)
	if content == nil || c.sending == nil {
		return copyTo(c.Conn, src)
	}
	sent, err = content.Send(c.kernel, limited.N, c.sending)
	limited.N -= sent
	if !errors.Is(err, errors.ErrUnsupported) {
		return sent, err
	}
	rest, err := copyTo(pushing{c}, src)
	return sent + rest, err
}

// pushing writes what the kernel cannot send from a file.
type pushing struct{ *limitedConn }

func (c pushing) Write(p []byte) (int, error) {
	n, err := c.kernel.Write(p, false, c.sending)
	return int(n), err
}

// copyTo copies with a buffer from a pool.
func copyTo(to io.Writer, src io.Reader) (int64, error) {
	buf := chunks.Get().(*[chunk]byte)
	defer chunks.Put(buf)
	return io.CopyBuffer(struct{ io.Writer }{to}, src, buf[:])
}
