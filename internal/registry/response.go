package registry

import (
	"errors"
	"io"
	"net/http"
	"sync"
	"time"
)

// stall is how long a client may take for the next chunk of an answer. There is
// no limit on the whole: a slow line gets a large crate too (H2).
const stall = 30 * time.Second

// chunk is how many bytes are written under one deadline.
const chunk = 64 << 10

// response counts what is written, and moves the connection's write deadline
// ahead as the client takes it.
type response struct {
	http.ResponseWriter
	conn     *limitedConn // that the kernel can send files to; nil: none
	code     int
	bytes    int64
	extended time.Time // when the deadline was set last
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

// mostHeaders is more than the headers of any answer.
const mostHeaders = 4 << 10

// whole is Write of a whole body that is in memory. Headers and body go out with one call
// of the system, where net/http, whose buffer has 4 KiB, would make two.
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

// extend moves the deadline, once a second at most. The server has set the
// first one with the request (http.Server.WriteTimeout).
func (w *response) extend() {
	now := time.Now()
	if now.Sub(w.extended) < time.Second {
		return
	}
	w.extended = now
	// A writer without deadlines is a test's.
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
