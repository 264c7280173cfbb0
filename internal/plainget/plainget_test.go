package plainget

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// owned is a connection like those of package registry.
type owned struct {
	*net.TCPConn
	plain *Conn
}

func (o *owned) Read(p []byte) (int, error)          { return o.plain.Read(p) }
func (o *owned) SetReadDeadline(t time.Time) error   { return o.plain.SetReadDeadline(t) }
func (o *owned) ReadFrom(r io.Reader) (int64, error) { return o.TCPConn.ReadFrom(r) }
func (o *owned) Close() error {
	if !o.plain.Close() {
		return nil
	}
	return o.TCPConn.Close()
}

type listener struct {
	net.Listener
	last *atomic.Pointer[owned]
}

func (l listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &owned{TCPConn: c.(*net.TCPConn)}, nil
}

// settle waits until the next request on the last connection can be plain, but at most a
// tenth of a second.
func settle(web *httptest.Server) {
	for end := time.Now().Add(100 * time.Millisecond); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if web.Listener.(listener).last.Load().plain.stage.Load() == between {
			return
		}
	}
}

// start starts a server with handler h. This package answers plain requests below /plain/.
func start(t *testing.T, h http.Handler) (*Server, *httptest.Server) {
	t.Helper()
	s := &Server{Handler: h, Wants: func(path string) bool { return strings.HasPrefix(path, "/plain/") }, Idle: time.Minute, Stall: time.Minute}
	web := httptest.NewUnstartedServer(h)
	in := listener{web.Listener, new(atomic.Pointer[owned])}
	web.Listener = in
	web.Config.IdleTimeout, web.Config.ReadHeaderTimeout = time.Minute, 10*time.Second
	web.Config.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		o := c.(*owned)
		o.plain = s.NewConn(ctx, o, o.TCPConn)
		in.last.Store(o)
		return ctx
	}
	web.Config.ConnState = func(c net.Conn, state http.ConnState) {
		if state == http.StateIdle {
			c.(*owned).plain.SetIdle()
		}
	}
	web.Start()
	t.Cleanup(web.Close)
	return s, web
}

// warm returns a connection whose next request may be plain.
func warm(t *testing.T, web *httptest.Server) (net.Conn, *bufio.Reader) {
	t.Helper()
	c, err := net.Dial("tcp", web.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(c)
	say(t, c, "GET /warm HTTP/1.1\r\nHost: x\r\n\r\n")
	hear(t, r)
	settle(web)
	return c, r
}

func say(t *testing.T, c net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
}

// hear reads a response: its status, headers and body.
func hear(t *testing.T, r *bufio.Reader) string {
	t.Helper()
	resp, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if resp.Header.Get("Date") == "" {
		t.Error("an answer without a date")
	}
	resp.Header.Del("Date")
	return fmt.Sprintf("%s %v %d %s", resp.Status, maps.Clone(resp.Header), len(body), body[:min(len(body), 200)])
}

// various responds in all ways in which handlers of plain requests do.
func various(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/plain")
	switch r.URL.Path {
	case "/plain/length":
		w.Header().Set("Content-Length", "5")
		io.WriteString(w, "fives")
	case "/plain/large":
		w.Header().Set("Content-Length", "100000")
		w.Write(bytes.Repeat([]byte("x"), 60000))
		w.Write(bytes.Repeat([]byte("y"), 40000))
	case "/plain/without":
		io.WriteString(w, "held ")
		io.WriteString(w, "back")
	case "/plain/error":
		http.Error(w, "not there", http.StatusNotFound)
	case "/plain/same":
		w.Header().Set("Etag", `"1"`)
		w.WriteHeader(http.StatusNotModified)
	case "/plain/file":
		http.ServeContent(w, r, "", time.Time{}, strings.NewReader(strings.Repeat("0123456789", 9000)))
	case "/plain/lines":
		w.Header().Set("X-Lines", "one\r\nX-Two: two")
	default:
		fmt.Fprint(w, r.Method, " ", r.URL, " ", r.RequestURI, " ", r.Host, " ", r.Proto, " ", r.Header, " ", r.ContentLength, " ",
			r.RemoteAddr != "", r.Context().Value(http.LocalAddrContextKey) != nil, r.Context().Value(http.ServerContextKey) != nil)
	}
}

// Whatever a handler does, a client gets the same response as from net/http.
func TestAnswersAreThoseOfNetHTTP(t *testing.T) {
	s, web := start(t, http.HandlerFunc(various))
	for _, request := range []string{
		"/plain/length HTTP/1.1\r\nHost: x\r\n", "/plain/large HTTP/1.1\r\nHost: x\r\n", "/plain/without HTTP/1.1\r\nHost: x\r\n",
		"/plain/error HTTP/1.1\r\nHost: x\r\n", "/plain/same HTTP/1.1\r\nHost: x\r\n", "/plain/file HTTP/1.1\r\nHost: x\r\n",
		"/plain/file HTTP/1.1\r\nHost: x\r\nRange: bytes=10-19\r\n", "/plain/lines HTTP/1.1\r\nHost: x\r\n",
		"/plain/what/1.0.0+a_b~c HTTP/1.1\r\nhost:  127.0.0.1:80 \r\naccept-encoding: gzip\r\nIf-None-Match: W/\"1\", \"2\"\r\nConnection: Keep-Alive\r\nUser-Agent: cargo/1.95 (a, b)\r\n",
	} {
		plain, plainAnswer := warm(t, web)
		before := s.taken.Load()
		say(t, plain, "GET "+request+"\r\n")
		got := hear(t, plainAnswer)
		if s.taken.Load() != before+1 {
			t.Errorf("%q was left to net/http", request)
		}
		first, err := net.Dial("tcp", web.Listener.Addr().String()) // its first request is net/http's
		if err != nil {
			t.Fatal(err)
		}
		say(t, first, "GET "+request+"\r\n")
		if want := hear(t, bufio.NewReader(first)); got != want {
			t.Errorf("%q:\n%s\nof net/http:\n%s", request, got, want)
		}
		first.Close()
		say(t, plain, "GET "+request+"\r\n")
		if again := hear(t, plainAnswer); again != got || s.taken.Load() != before+2 {
			t.Errorf("%q, a second time: %s", request, again)
		}
	}
}

// Bytes within a request that look like a request are not answered: a proxy in front of this
// server would send that response to another client.
func TestNoRequestInsideAnother(t *testing.T) {
	const plain = "GET /plain/what HTTP/1.1\r\nHost: x\r\n\r\n"
	for _, test := range []struct {
		parts   []string
		answers int
		plain   int64
	}{
		{[]string{plain}, 1, 1},
		{[]string{"GET /a HTTP/1.1\r\nFoo: ", plain}, 1, 0},
		{[]string{"GE", "T /a HTTP/1.1\r\nFoo: ", plain}, 1, 0},
		{[]string{"GET /a HTTP/1.1\r\nHost: x\r\n\r\nGET /b HTTP/1.1\r\nFoo: ", plain}, 2, 0},
		{[]string{plain + "G", "ET /b HTTP/1.1\r\nFoo: ", plain}, 2, 0},
		{[]string{"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 37\r\n\r\n", plain}, 1, 0},
		{[]string{"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 6000\r\n\r\n" + strings.Repeat("x", 6000-37), plain}, 1, 0},
		{[]string{plain + plain}, 2, 0},
		{[]string{plain, plain + plain, plain}, 4, 2},
	} {
		s, web := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			various(w, r)
		}))
		c, r := warm(t, web)
		for _, part := range test.parts {
			say(t, c, part)
			time.Sleep(20 * time.Millisecond)
			settle(web)
		}
		for range test.answers {
			hear(t, r)
		}
		if err := c.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if rest, err := io.ReadAll(r); len(rest) > 0 || err != nil {
			t.Errorf("%q: more than %d answers: %q, %v", test.parts, test.answers, rest, err)
		}
		if got := s.taken.Load(); got != test.plain {
			t.Errorf("%q: %d were taken for plain, want %d", test.parts, got, test.plain)
		}
	}
}

// A server that stops finishes the current responses.
func TestShutdownWaits(t *testing.T) {
	began, goOn := make(chan bool), make(chan bool)
	s, web := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/plain/slow" {
			began <- true
			<-goOn
		}
		io.WriteString(w, "the whole answer")
	}))
	c, r := warm(t, web)
	say(t, c, "GET /plain/slow HTTP/1.1\r\nHost: x\r\n\r\n")
	<-began
	if err := web.Config.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := s.Wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("it does not wait for the answer: %v", err)
	}
	close(goOn)
	if got := hear(t, r); !strings.HasSuffix(got, "the whole answer") {
		t.Errorf("%s came", got)
	}
	if err := s.Wait(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := r.ReadByte(); err != io.EOF {
		t.Errorf("the connection stays: %v", err)
	}
}

// A handler that waits learns that its client has disconnected, and bytes that the client
// sends meanwhile are not lost.
func TestClientsThatAreWaitedFor(t *testing.T) {
	ended := make(chan error, 1)
	_, web := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/plain/forever" {
			<-r.Context().Done()
			ended <- r.Context().Err()
		}
		if r.URL.Path == "/plain/slow" {
			select {
			case <-r.Context().Done():
			case <-time.After(50 * time.Millisecond):
			}
		}
		fmt.Fprint(w, r.URL.Path, r.Context().Err())
	}))
	c, r := warm(t, web)
	for range 2 {
		say(t, c, "GET /plain/slow HTTP/1.1\r\nHost: x\r\n\r\n")
		time.Sleep(10 * time.Millisecond)
		say(t, c, "GET /plain/next HTTP/1.1\r\nHost: x\r\n\r\n")
		if got := hear(t, r); !strings.HasSuffix(got, "/plain/slow<nil>") {
			t.Error(got)
		}
		if got := hear(t, r); !strings.HasSuffix(got, "/plain/next<nil>") {
			t.Error(got)
		}
	}
	say(t, c, "GET /plain/forever HTTP/1.1\r\nHost: x\r\n\r\n")
	time.Sleep(10 * time.Millisecond)
	c.Close()
	select {
	case err := <-ended:
		if !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Error("the handler waits for a client that is gone")
	}
}

// A response that does not match its headers ends the connection.
func TestBrokenAnswersEndTheConnection(t *testing.T) {
	_, web := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/plain/short":
			w.Header().Set("Content-Length", "10")
			io.WriteString(w, "short")
		case "/plain/panic":
			w.Header().Set("Content-Length", "10")
			io.WriteString(w, "panic")
			panic(http.ErrAbortHandler)
		case "/plain/close":
			w.Header().Set("Connection", "close")
			io.WriteString(w, "ended")
		}
	}))
	for path, want := range map[string]string{"/plain/short": "short", "/plain/panic": "panic", "/plain/close": "ended"} {
		c, r := warm(t, web)
		say(t, c, "GET "+path+" HTTP/1.1\r\nHost: x\r\n\r\n")
		got, err := io.ReadAll(r)
		if err != nil || !strings.HasSuffix(string(got), "\r\n\r\n"+want) {
			t.Errorf("%s: %q, %v", path, got, err)
		}
	}
}

// A server that waits no longer cuts off what is being answered.
func TestCloseCutsAnswersOff(t *testing.T) {
	began := make(chan bool)
	s, web := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/plain/forever" {
			began <- true
			<-r.Context().Done()
		}
	}))
	c, r := warm(t, web)
	say(t, c, "GET /plain/forever HTTP/1.1\r\nHost: x\r\n\r\n")
	<-began
	if err := web.Config.Close(); err != nil {
		t.Fatal(err)
	}
	s.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if err := s.Wait(ctx); err != nil {
		c.Close()
		t.Fatalf("the answer goes on: %v", err)
	}
	if got, err := r.ReadByte(); err == nil {
		t.Errorf("%q came", got)
	}
}

// A connection may be idle after a slow answer as long as after a fast one.
func TestSlowAnswersAreNotIdleTime(t *testing.T) {
	t.Parallel()
	const idle = 300 * time.Millisecond
	s, web := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/plain/slow":
			time.Sleep(idle + idle/4)
		case "/plain/waits":
			<-time.After(idle + idle/4)
			r.Context().Done()
		}
	}))
	s.Idle = idle
	for _, path := range []string{"/plain/slow", "/plain/waits"} {
		c, r := warm(t, web)
		for range 2 {
			say(t, c, "GET "+path+" HTTP/1.1\r\nHost: x\r\n\r\n")
			hear(t, r)
		}
		if taken := s.taken.Swap(0); taken != 2 {
			t.Errorf("%s: %d were plain, want 2", path, taken)
		}
	}
}
