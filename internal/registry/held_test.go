package registry

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/simreg"
)

// countingListener counts the writes of its connections.
type countingListener struct {
	net.Listener
	writes atomic.Int64
}

type countingConn struct {
	*net.TCPConn
	writes *atomic.Int64
}

func (l *countingListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return countingConn{c.(*net.TCPConn), &l.writes}, nil
}

func (c countingConn) Write(p []byte) (int, error) {
	c.writes.Add(1)
	return c.TCPConn.Write(p)
}

// What is in memory goes out with its headers in one write, whatever net/http's buffer
// takes.
func TestOneWriteAnAnswer(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("connections are net/http's own on this system")
	}
	f := newFake()
	f.reg = simreg.New(simreg.MustParse("foo 1.0.0\n  size 6000\nfoo 1.1.0\n  size 30000\nbar 1.0.0\n  size 700")...)
	s := listening(t, ServerConfig{})
	l := &countingListener{Listener: s.listener.Listener}
	s.listener.Listener = l
	serving(t, s, New(Config{Mirror: f}))
	client := &http.Client{Transport: &http.Transport{DisableCompression: true, DisableKeepAlives: true}} // the first answer of a connection is by net/http
	defer client.CloseIdleConnections()
	for _, id := range f.reg.IDs() {
		before := l.writes.Load()
		got := answerOf(t, client, s.URL()+"/crates/"+id.URLPath())
		if writes := l.writes.Load() - before; got != string(f.bytes(id)) || writes != 1 {
			t.Errorf("%s: %d bytes in %d writes, want %d in one", id, len(got), writes, len(f.bytes(id)))
		}
	}
	f.reg = simreg.New(simreg.MustParse(manyVersions(60))...)
	before := l.writes.Load()
	got := answerOf(t, client, s.URL()+"/index/"+crate.IndexPath("many"))
	if writes := l.writes.Load() - before; strings.Count(got, "\n") != 60 || len(got) < 8<<10 || writes != 1 {
		t.Errorf("the index: %d bytes in %d writes, want one", len(got), writes)
	}
}

func manyVersions(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString("many 1." + string(rune('0'+i/10)) + "." + string(rune('0'+i%10)) + "\n")
	}
	return b.String()
}

func answerOf(t *testing.T, client *http.Client, url string) string {
	t.Helper()
	resp, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK || resp.ContentLength != int64(len(body)) {
		t.Errorf("%s: %s, Content-Length %d of %d: %v", url, resp.Status, resp.ContentLength, len(body), err)
	}
	return string(body)
}

// partly is a connection that takes a part of what is written, and no more.
type partly struct {
	net.Conn
	closed bool
}

func (c *partly) Write(p []byte) (int, error) { return len(p) / 2, os.ErrDeadlineExceeded }
func (c *partly) Close() error                { c.closed = true; return c.Conn.Close() }

// An answer that was held back and went out in part ends the connection: the next answer
// would be taken for the rest.
func TestHeldAnswerThatWentOutInPart(t *testing.T) {
	ours, theirs := net.Pipe()
	defer theirs.Close()
	under := &partly{Conn: ours}
	l := newLimitListener(nil, 1, slog.New(slog.DiscardHandler))
	l.slots <- struct{}{}
	c := &limitedConn{Conn: under, of: l, held: make([]byte, 0, 10)}
	if n, err := c.Write([]byte("answer")); n != 6 || err != nil || under.closed {
		t.Fatalf("held back: %d, %v, closed %v", n, err, under.closed)
	}
	if err := c.release(); !errors.Is(err, os.ErrDeadlineExceeded) || !under.closed {
		t.Errorf("%v, closed %v", err, under.closed)
	}
	if c.held != nil {
		t.Error("what follows is held back as well")
	}
}

// More than is held back at most goes out in its order.
func TestHeldAnswerThatDoesNotFit(t *testing.T) {
	ours, theirs := net.Pipe()
	defer ours.Close()
	came := make(chan string, 1)
	go func() {
		all, _ := io.ReadAll(theirs)
		came <- string(all)
	}()
	c := &limitedConn{Conn: ours, held: make([]byte, 0, 10)}
	for _, part := range []string{"headers ", "and more than fits", ", and the end"} {
		if n, err := c.Write([]byte(part)); n != len(part) || err != nil {
			t.Fatalf("%q: %d, %v", part, n, err)
		}
	}
	if err := c.release(); err != nil {
		t.Error(err)
	}
	ours.Close()
	if got := <-came; got != "headers and more than fits, and the end" {
		t.Errorf("%q came", got)
	}
}
