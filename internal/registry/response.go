package registry

import (
	"errors"
	"io"
	"net/http"
	"sync"
	"time"
)

// stall is how long a client may take to receive the next chunk of a response. The whole
// response has no limit, so that a slow client can get a large crate (H2).
const stall = 30 * time.Second

// chunk is the number of bytes written under one deadline.
const chunk = 64 << 10

// response counts the bytes written, and extends the connection's write deadline as the
// client receives them.
type response struct {
	http.ResponseWriter
	conn     *limitedConn // to which the kernel can send files; nil: none
	code     int
	bytes    int64
	extended time.Time // when the deadline was last set
}

// Unwrap is for http.ResponseController.
func (w *response) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *response) WriteHeader(code int) {
	if w.code == 0 && code >= http.StatusOK {
		w.code = code
	}
	w.ResponseWriter.WriteHeader(code)
}

func (w *response) Write(p []byte) (written int, err error) {
	if w.code == 0 {
		w.code = http.StatusOK
	}
	for {
		w.extend()
		n, err := w.ResponseWriter.Write(p[:min(chunk, len(p))])
		written += n
		w.bytes += int64(n)
		if p = p[n:]; err != nil || len(p) == 0 {
			return written, err
		}
	}
}

// mostHeaders is more than the size of the headers of any response, in bytes.
const mostHeaders = 4 << 10

// whole writes a whole body from memory. Headers and body go out with one system call,
// where net/http with its buffer of 4 KiB would make two.
func (w *response) whole(p []byte) (int, error) {
	below, ok := w.ResponseWriter.(http.Flusher)
	if !ok || w.conn == nil || len(p) > chunk-mostHeaders {
		return w.Write(p)
	}
	buf := chunks.Get().(*[chunk]byte)
	defer chunks.Put(buf)
	w.conn.held = buf[:0]
	n, err := w.Write(p)
	below.Flush()
	return n, errors.Join(err, w.conn.release())
}

// extend extends the deadline, at most once per second. The server sets the first one with
// the request (http.Server.WriteTimeout).
func (w *response) extend() {
	now := time.Now()
	if now.Sub(w.extended) < time.Second {
		return
	}
	w.extended = now
	// A writer without deadlines belongs to a test.
	_ = http.NewResponseController(w.ResponseWriter).SetWriteDeadline(now.Add(stall))
}

var chunks = sync.Pool{New: func() any { return new([chunk]byte) }}

// ReadFrom implements io.ReaderFrom: http.ServeContent copies with it.
func (w *response) ReadFrom(src io.Reader) (int64, error) {
	limited, content := sendsTo(src)
	below, ok := w.ResponseWriter.(io.ReaderFrom)
	if content == nil || !ok || w.conn == nil || !content.CanSend(limited.N) {
		return copyTo(w, src)
	}
	w.conn.sending = w.extend
	defer func() { w.conn.sending = nil }()
	n, err := below.ReadFrom(src)
	w.bytes += n
	return n, err
}
