package upstream

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

func TestMain(m *testing.M) {
	log.SetOutput(io.Discard) // net/http complains there about what our origins send
	goleak.VerifyTestMain(m)
}

var (
	serde   = crate.ID{Name: "serde", Version: "1.0.0"}
	payload = bytes.Repeat([]byte("the bytes of a crate. "), 200)
)

func newClient(t testing.TB, cfg Config) *Client {
	t.Helper()
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func noSpill() (Spill, error) { return nil, errors.New("no spill expected") }

// memSpill is a Spill that remembers how often it was emptied.
type memSpill struct {
	bytes.Buffer
	resets int
	err    error // of the next Write
}

func (s *memSpill) Reset() error {
	s.resets++
	s.Buffer.Reset()
	return nil
}

func (s *memSpill) Write(p []byte) (int, error) {
	if s.err != nil {
		return 0, s.err
	}
	return s.Buffer.Write(p)
}

func (s *memSpill) open() (Spill, error) { return s, nil }

// want is a request for body.
func want(id crate.ID, body []byte) Request {
	return Request{ID: id, URL: "http://origin.test/crates/" + id.URLPath(), Checksum: sha256.Sum256(body), Spill: noSpill}
}

func item(i int) crate.ID { return crate.ID{Name: fmt.Sprintf("crate%d", i), Version: "1.0.0"} }

// origin is an HTTP server of raw bytes inside a synctest bubble: answer
// writes whatever it likes to conn, which is closed when it returns. Requests
// count from 1.
type origin struct {
	answer func(n int, conn net.Conn, req *http.Request)

	mu       sync.Mutex
	requests []*http.Request
	running  sync.WaitGroup
}

func (o *origin) dial(context.Context, string, string) (net.Conn, error) {
	client, server := net.Pipe()
	o.running.Go(func() {
		defer func() { _ = server.Close() }()
		req, err := http.ReadRequest(bufio.NewReader(server))
		if err != nil {
			return
		}
		o.mu.Lock()
		o.requests = append(o.requests, req)
		n := len(o.requests)
		o.mu.Unlock()
		o.answer(n, server, req)
	})
	return client, nil
}

func (o *origin) count() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.requests)
}

// withOrigin runs test in a bubble, with a client whose every connection leads
// to an origin.
func withOrigin(t *testing.T, cfg Config, answer func(int, net.Conn, *http.Request), test func(*testing.T, *Client, *origin)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		o := &origin{answer: answer}
		cfg.Dial = o.dial
		c, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		test(t, c, o)
		c.Close()
		o.running.Wait()
	})
}

// reply writes a status line, headers and a body.
func reply(conn net.Conn, status string, body []byte, headers ...string) {
	var b bytes.Buffer
	fmt.Fprintf(&b, "HTTP/1.1 %s\r\nConnection: close\r\n", status)
	for _, h := range headers {
		b.WriteString(h + "\r\n")
	}
	if status != "204 No Content" && status != "304 Not Modified" {
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(body))
	}
	b.WriteString("\r\n")
	b.Write(body)
	_, _ = conn.Write(b.Bytes()) // the client may hang up
}

func ok(conn net.Conn) { reply(conn, "200 OK", payload) }

// raw writes text as it is.
func raw(conn net.Conn, format string, args ...any) { _, _ = fmt.Fprintf(conn, format, args...) }

// hang keeps the connection open until the client closes it.
func hang(conn net.Conn) { _, _ = conn.Read(make([]byte, 1)) }

func TestFetch(t *testing.T) {
	withOrigin(t, Config{UserAgent: "test/1 (me@example.org)"}, func(_ int, conn net.Conn, _ *http.Request) { ok(conn) },
		func(t *testing.T, c *Client, o *origin) {
			body, stats, err := c.Fetch(t.Context(), want(serde, payload))
			if err != nil {
				t.Fatal(err)
			}
			defer body.Release()
			if !bytes.Equal(body.Data, payload) || body.Size != int64(len(payload)) || body.Spill != nil {
				t.Errorf("got %d bytes, Size %d, Spill %v", len(body.Data), body.Size, body.Spill)
			}
			if stats != (Stats{Attempts: 1, Bytes: int64(len(payload))}) || stats.Retries() != 0 {
				t.Errorf("stats = %+v", stats)
			}
			header := o.requests[0].Header
			if got := header.Get("Accept-Encoding"); got != "identity" { // B5
				t.Errorf("Accept-Encoding = %q", got)
			}
			if got := header.Get("User-Agent"); got != "test/1 (me@example.org)" {
				t.Errorf("User-Agent = %q", got)
			}
		})
}

func TestB21PlusIsEscaped(t *testing.T) {
	withOrigin(t, Config{}, func(_ int, conn net.Conn, req *http.Request) {
		if bytes.ContainsRune([]byte(req.RequestURI), '+') {
			reply(conn, "403 Forbidden", nil)
			return
		}
		ok(conn)
	}, func(t *testing.T, c *Client, o *origin) {
		body, _, err := c.Fetch(t.Context(), want(crate.ID{Name: "qpl", Version: "0.0.1+5"}, payload))
		if err != nil {
			t.Fatal(err)
		}
		body.Release()
		if got := o.requests[0].RequestURI; got != "/crates/qpl/qpl-0.0.1%2B5.crate" {
			t.Errorf("asked for %q", got)
		}
	})
}

func TestUnusableRequests(t *testing.T) {
	c := newClient(t, Config{})
	good := want(serde, payload)
	for name, change := range map[string]func(*Request){
		"no scheme":   func(r *Request) { r.URL = "origin.test/x" },
		"file":        func(r *Request) { r.URL = "file:///etc/passwd" },
		"not a URL":   func(r *Request) { r.URL = "http://me:secret@[::1" },
		"no checksum": func(r *Request) { r.Checksum = crate.Checksum{} },
		"no spill":    func(r *Request) { r.Spill = nil },
	} {
		r := good
		change(&r)
		_, stats, err := c.Fetch(t.Context(), r)
		if _, typed := errors.AsType[*FetchError](err); !typed || stats.Attempts != 0 {
			t.Errorf("%s: error %v after %d attempts", name, err, stats.Attempts)
		}
		if bytes.Contains([]byte(fmt.Sprint(err)), []byte("secret")) {
			t.Errorf("%s: the error shows a password: %v", name, err)
		}
	}
}

func TestConfigRefusesNonsense(t *testing.T) {
	for _, cfg := range []Config{
		{Concurrency: -1}, {Timeout: -1}, {Attempts: -2}, {MaxSize: -1}, {HTTP: "3"},
		{AllowHosts: []string{"https://a.example"}}, {AllowHosts: []string{""}}, {AllowHosts: []string{"a/b"}},
	} {
		if c, err := New(cfg); err == nil {
			t.Errorf("New(%+v) = %v", cfg, c)
		}
	}
}

func TestContextEndsEverything(t *testing.T) {
	why := errors.New("enough")
	withOrigin(t, Config{}, func(_ int, conn net.Conn, _ *http.Request) { hang(conn) },
		func(t *testing.T, c *Client, _ *origin) {
			ctx, cancel := context.WithCancelCause(t.Context())
			go cancel(why)
			_, _, err := c.Fetch(ctx, want(serde, payload))
			if !errors.Is(err, why) {
				t.Errorf("error = %v", err)
			}
			if c.breaker.failures != 0 || c.Status().Active != 0 {
				t.Errorf("a cancelled fetch counts as a failure or holds its slot: %+v", c.Status())
			}
		})
}

func TestContextEndsTheWaitForASlot(t *testing.T) {
	withOrigin(t, Config{Concurrency: 1}, func(_ int, conn net.Conn, _ *http.Request) { ok(conn) },
		func(t *testing.T, c *Client, o *origin) {
			body, _, err := c.Fetch(t.Context(), want(serde, payload))
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			_, stats, err := c.Fetch(ctx, want(item(1), payload))
			if !errors.Is(err, context.DeadlineExceeded) || stats.Attempts != 0 {
				t.Errorf("error %v after %d attempts", err, stats.Attempts)
			}
			body.Release()
			if s := c.Status(); s.Active != 0 || s.Waiting != 0 || o.count() != 1 {
				t.Errorf("%d requests, status %+v", o.count(), s)
			}
		})
}

func TestCredentialsGoToTheirHostAlone(t *testing.T) {
	answer := func(n int, conn net.Conn, req *http.Request) {
		user, password, _ := req.BasicAuth()
		switch {
		case n == 1 && user == "me" && password == "secret":
			reply(conn, "302 Found", nil, "Location: http://static.crates.io/elsewhere")
		case n == 2 && user == "" && req.Host == "static.crates.io":
			reply(conn, "404 Not Found", nil)
		default:
			t.Errorf("request %d to %s came with %q", n, req.Host, user)
			reply(conn, "404 Not Found", nil)
		}
	}
	withOrigin(t, Config{}, answer, func(t *testing.T, c *Client, _ *origin) {
		r := want(serde, payload)
		r.URL = "http://me:secret@origin.test/x"
		_, _, err := c.Fetch(t.Context(), r)
		gone, typed := errors.AsType[*GoneError](err)
		if !typed || gone.Evidence.URL != "http://static.crates.io/elsewhere" {
			t.Errorf("error = %v", err)
		}
	})
	withOrigin(t, Config{Attempts: 1}, func(_ int, _ net.Conn, _ *http.Request) {}, func(t *testing.T, c *Client, _ *origin) {
		r := want(serde, payload)
		r.URL = "http://me:secret@origin.test/x"
		_, _, err := c.Fetch(t.Context(), r)
		if text := fmt.Sprint(err); text != "serde 1.0.0: fetching http://me:xxxxx@origin.test/x: EOF" {
			t.Errorf("error = %s", text)
		}
	})
}
