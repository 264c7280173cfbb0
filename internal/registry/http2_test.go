package registry

import (
	"bytes"
	"encoding/binary"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// Frames of HTTP/2 (RFC 9113, section 6), and their flags.
const (
	frameHeaders      = 1
	frameReset        = 3
	frameSettings     = 4
	framePing         = 6
	frameGoAway       = 7
	frameWindowUpdate = 8
	frameContinuation = 9

	endStream  = 1
	endHeaders = 4
)

// get2 is the headers of "GET /" in HPACK: three of the static table, and
// ":authority: x".
var get2 = []byte{0x82, 0x86, 0x84, 0x41, 1, 'x'}

func frame(kind, flags byte, stream uint32, payload []byte) []byte {
	head := binary.BigEndian.AppendUint32(nil, uint32(len(payload))<<8|uint32(kind))
	head = binary.BigEndian.AppendUint32(append(head, flags), stream)
	return append(head, payload...)
}

// begin2 is how a client begins that takes 1 GiB without a word.
func begin2() []byte {
	const window = 1 << 30
	size := binary.BigEndian.AppendUint32([]byte{0, 4}, window) // SETTINGS_INITIAL_WINDOW_SIZE
	return bytes.Join([][]byte{
		[]byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
		frame(frameSettings, 0, 0, size),
		frame(frameWindowUpdate, 0, 0, binary.BigEndian.AppendUint32(nil, window)),
	}, nil)
}

// serve2 speaks HTTP/2 on a pipe with a server that has its limits. It is for
// synctest.
func serve2(t *testing.T, h http.Handler) (c net.Conn, stop func()) {
	t.Helper()
	l, server := newPipeListener(), newHTTPServer(slog.New(slog.DiscardHandler))
	server.Handler, server.Protocols = h, new(http.Protocols)
	server.Protocols.SetUnencryptedHTTP2(true)
	done := make(chan error)
	go func() { done <- server.Serve(l) }()
	c = l.dial()
	if _, err := c.Write(begin2()); err != nil {
		t.Fatal(err)
	}
	return c, func() { c.Close(); server.Close(); <-done }
}

// H2: a client of HTTP/2 that takes nothing at all does not keep its connection.
func TestH2ConnectionThatIsNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, stop := serve2(t, http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
			(&response{ResponseWriter: rw, extended: time.Now()}).Write(make([]byte, 1<<20)) // the client sees
		}))
		defer stop()
		if _, err := c.Write(frame(frameHeaders, endStream|endHeaders, 1, get2)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * idleTimeout)
		if _, err := c.Write(frame(framePing, 0, 0, make([]byte, 8))); err == nil {
			t.Error("the connection is still there")
		}
		io.Copy(io.Discard, c) // what is left in the pipe
	})
}

// H3: a client that opens streams and resets them at once never has more
// requests under way than it may have streams, and is told to go away.
func TestH3RapidReset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var running, most atomic.Int64
		release := make(chan struct{})
		c, stop := serve2(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
			if n := running.Add(1); n > most.Load() {
				most.Store(n)
			}
			defer running.Add(-1)
			<-release // whether the stream is reset or not
		}))
		defer stop()
		ended := read2(c)
		for n := range uint32(10_000) {
			stream := 2*n + 1
			pair := append(frame(frameHeaders, endStream|endHeaders, stream, get2), frame(frameReset, 0, stream, []byte{0, 0, 0, 8})...)
			if _, err := c.Write(pair); err != nil {
				break
			}
		}
		synctest.Wait()
		if n := most.Load(); n == 0 || n > maxStreams {
			t.Errorf("%d requests were under way at once, want 1 to %d", n, maxStreams)
		}
		close(release)
		if last := <-ended; last != frameGoAway {
			t.Errorf("the last frame was of kind %d, want %d (GOAWAY)", last, frameGoAway)
		}
	})
}

// H3: headers that are continued without end are cut off before they are many.
func TestH3ContinuationFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, stop := serve2(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a request arrived") }))
		defer stop()
		ended := read2(c)
		c.Write(frame(frameHeaders, endStream, 1, get2)) // what follows finds out
		field := append([]byte{0, 1, 'x', 100}, bytes.Repeat([]byte("x"), 100)...)
		flood, sent := bytes.Repeat(field, 100), 0
		for ; sent < 100*maxHeader; sent += len(flood) {
			if _, err := c.Write(frame(frameContinuation, 0, 1, flood)); err != nil {
				break
			}
		}
		if sent > 4*maxHeader {
			t.Errorf("%d bytes of headers were read, want little more than %d", sent, maxHeader)
		}
		c.Close()
		<-ended
	})
}

// read2 reads what a server sends, and tells the kind of the last frame.
func read2(c net.Conn) <-chan byte {
	last := make(chan byte, 1)
	go func() {
		var kind byte
		for head := make([]byte, 9); ; kind = head[3] {
			if _, err := io.ReadFull(c, head); err != nil {
				break
			}
			if _, err := io.CopyN(io.Discard, c, int64(binary.BigEndian.Uint32(head)>>8)); err != nil {
				break
			}
		}
		last <- kind
	}()
	return last
}
