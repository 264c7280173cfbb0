package plainget

import (
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// An answer is the http.ResponseWriter of a connection. All its requests reuse it.
type answer struct {
	conn   *Conn
	header http.Header
	code   int   // status; 0: WriteHeader was not called yet
	length int64 // Content-Length in bytes; -1: unknown
	sent   int64 // bytes of the body that were written
	told   bool  // the headers were written
	room   *[]byte
	head   []byte // headers, stored in room; a small body fits behind them
	held   []byte // body without a Content-Length, kept until the handler returns
	err    error  // first failure of a write
}

// heads pools buffers for the headers of an answer and a small body.
var heads = sync.Pool{New: func() any { b := make([]byte, 0, 4<<10); return &b }}

func (a *answer) begin(c *Conn) {
	if a.header == nil {
		a.header = make(http.Header, 8)
	}
	clear(a.header)
	room := heads.Get().(*[]byte)
	*a = answer{conn: c, header: a.header, length: -1, room: room, head: (*room)[:0]}
}

func (a *answer) end() {
	heads.Put(a.room)
	*a = answer{header: a.header}
}

// Header implements http.ResponseWriter.
func (a *answer) Header() http.Header { return a.header }

// WriteHeader implements http.ResponseWriter.
func (a *answer) WriteHeader(code int) {
	if a.code != 0 || code < http.StatusOK {
		return
	}
	a.code = code
	if !a.hasBody() { // net/http removes these headers, too
		delete(a.header, "Content-Length")
		delete(a.header, "Content-Type")
	}
	if has := a.header["Content-Length"]; len(has) == 1 {
		if n, err := strconv.ParseInt(has[0], 10, 64); err == nil && n >= 0 {
			a.length = n
		}
	}
	a.head = a.appendHead(a.head)
}

// hasBody reports whether the status allows a body.
func (a *answer) hasBody() bool {
	return a.code != http.StatusNotModified && a.code != http.StatusNoContent
}

// Write implements http.ResponseWriter.
func (a *answer) Write(p []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	switch {
	case a.err != nil:
		return 0, a.err
	case !a.hasBody():
		return 0, http.ErrBodyNotAllowed
	case a.length < 0:
		a.held = append(a.held, p...)
		return len(p), nil
	case a.sent+int64(len(p)) > a.length:
		return 0, http.ErrContentLength
	}
	n, err := a.send(p)
	a.sent += int64(n)
	a.err = err
	return n, err
}

// send writes a part of the body, and before the first part the headers.
func (a *answer) send(p []byte) (int, error) {
	if a.told {
		return a.conn.below.Write(p)
	}
	a.told = true
	if len(p) <= cap(a.head)-len(a.head) {
		_, err := a.conn.below.Write(append(a.head, p...))
		return len(p), err
	}
	both := net.Buffers{a.head, p}
	n, err := both.WriteTo(a.conn.net)
	return int(max(0, n-int64(len(a.head)))), err
}

// ReadFrom implements io.ReaderFrom, so that the kernel can send a file.
func (a *answer) ReadFrom(src io.Reader) (int64, error) {
	a.WriteHeader(http.StatusOK)
	limited, ok := src.(*io.LimitedReader)
	if !ok || a.err != nil || !a.hasBody() || a.length < 0 || limited.N > a.length-a.sent {
		return io.Copy(struct{ io.Writer }{a}, src)
	}
	if !a.told {
		a.told = true
		if _, a.err = a.conn.below.Write(a.head); a.err != nil {
			return 0, a.err
		}
	}
	n, err := a.conn.below.ReadFrom(src)
	a.sent += n
	a.err = err
	return n, err
}

// finish writes what the handler has not yet sent. After an error the connection must be
// closed.
func (a *answer) finish() error {
	a.WriteHeader(http.StatusOK)
	switch {
	case a.err != nil:
		return a.err
	case !a.hasBody():
		_, a.err = a.conn.below.Write(a.head)
	case a.length < 0: // the headers were not written yet
		a.length = int64(len(a.held))
		a.head = append(strconv.AppendInt(append(a.head[:len(a.head)-2], "Content-Length: "...), a.length, 10), "\r\n\r\n"...)
		a.sent = a.length
		_, a.err = a.send(a.held)
	case a.sent < a.length:
		a.err = io.ErrUnexpectedEOF
	case !a.told:
		_, a.err = a.conn.below.Write(a.head)
	}
	if a.err == nil && strings.EqualFold(a.header.Get("Connection"), "close") {
		return io.EOF
	}
	return a.err
}

// SetWriteDeadline sets the deadline of the connection; http.ResponseController calls it.
func (a *answer) SetWriteDeadline(t time.Time) error { return a.conn.net.SetWriteDeadline(t) }

// appendHead appends the status line and the headers, in the form in which net/http writes
// them.
func (a *answer) appendHead(b []byte) []byte {
	b = strconv.AppendInt(append(b, "HTTP/1.1 "...), int64(a.code), 10)
	b = append(append(append(b, ' '), http.StatusText(a.code)...), "\r\n"...)
	for name, values := range a.header {
		for _, v := range values {
			b = append(append(b, name...), ": "...)
			b = append(append(b, oneLine(v)...), "\r\n"...)
		}
	}
	if a.header["Date"] == nil {
		b = append(append(append(b, "Date: "...), date()...), "\r\n"...)
	}
	return append(b, "\r\n"...)
}

var newlines = strings.NewReplacer("\n", " ", "\r", " ")

// oneLine returns v without line breaks, which would begin another header.
func oneLine(v string) string {
	if strings.IndexByte(v, '\n') < 0 && strings.IndexByte(v, '\r') < 0 {
		return v
	}
	return newlines.Replace(v)
}

// dated caches the Date header of one second.
type dated struct {
	second int64
	text   string
}

var lastDate atomic.Pointer[dated]

func date() string {
	now := time.Now()
	if last := lastDate.Load(); last != nil && last.second == now.Unix() {
		return last.text
	}
	made := &dated{now.Unix(), now.UTC().Format(http.TimeFormat)}
	lastDate.Store(made)
	return made.text
}
