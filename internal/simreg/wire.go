package simreg

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"
)

// send answers with body and its length.
func send(w http.ResponseWriter, body []byte) {
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.Write(body) // the client may leave
}

// push sends data immediately; false means that the client left.
func push(w http.ResponseWriter, data []byte) bool {
	_, err := w.Write(data)
	return err == nil && http.NewResponseController(w).Flush() == nil
}

// sendThenAbort announces length bytes, sends data and aborts: over HTTP/1.1 by closing the
// connection, over HTTP/2 by RST_STREAM.
func sendThenAbort(w http.ResponseWriter, data []byte, length int) {
	w.Header().Set("Content-Length", strconv.Itoa(length))
	push(w, data)
	panic(http.ErrAbortHandler)
}

// endless sends data and then zeros until the client or the server leaves.
func endless(w http.ResponseWriter, data []byte) {
	zeros := make([]byte, 64<<10)
	for push(w, data) {
		data = zeros
	}
	panic(http.ErrAbortHandler)
}

// drip sends one byte at a time.
func (s *Server) drip(w http.ResponseWriter, req *http.Request, body []byte, every time.Duration) {
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	for i := range body {
		if !push(w, body[i:i+1]) || !s.sleep(req.Context(), every) {
			panic(http.ErrAbortHandler)
		}
	}
}

// raw is a response that net/http would not write.
type raw struct {
	status string // status line, without the line feed
	body   []byte
	length int  // announced; negative for none
	reset  bool // end with a TCP reset instead of an orderly close
}

// sendRaw writes answer directly to the connection, with the headers of w, and closes it.
// HTTP/2 has no connection to write to: the stream is reset.
func sendRaw(w http.ResponseWriter, answer raw) {
	conn, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		sendThenAbort(w, answer.body[:len(answer.body)/2], len(answer.body))
	}
	defer conn.Close() // the client may be gone
	h := w.Header()
	h.Set("Connection", "close")
	if answer.length >= 0 {
		h.Set("Content-Length", strconv.Itoa(answer.length))
	}
	if writeRaw(rw.Writer, h, answer) == nil && answer.reset {
		resetOnClose(conn)
	}
}

// switchProtocols announces another protocol, and then sends nothing.
func (s *Server) switchProtocols(w http.ResponseWriter) {
	conn, rw, err := http.NewResponseController(w).Hijack()
	if err != nil { // HTTP/2
		sendThenAbort(w, nil, 1)
	}
	left := make(chan struct{})
	go func() {
		defer close(left)
		io.Copy(io.Discard, conn) // until the client leaves
	}()
	rw.WriteString("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n") // Flush reports it
	rw.Flush()                                                                                      // the client may have left
	select {
	case <-left:
	case <-s.quit:
	}
	conn.Close() // the client may be gone
	<-left
}

func writeRaw(w *bufio.Writer, h http.Header, answer raw) error {
	var head bytes.Buffer
	head.WriteString(answer.status + "\r\n")
	h.Write(&head) // to memory
	head.WriteString("\r\n")
	w.Write(head.Bytes()) // Flush reports it
	w.Write(answer.body)  // as above
	return w.Flush()
}

// resetOnClose makes closing conn send RST. A pipe in memory has no RST and is closed.
func resetOnClose(conn net.Conn) {
	if t, ok := conn.(*tls.Conn); ok {
		conn = t.NetConn()
	}
	if t, ok := conn.(*net.TCPConn); ok {
		t.SetLinger(0) // a plain close is a fault too
	}
}
