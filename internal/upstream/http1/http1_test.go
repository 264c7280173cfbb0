package http1

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

const ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

// far is a server: it answers the requests of its connections
// with what script says, by the number of the connection and of the request in it. After
// an answer that ends with "!" it closes the connection.
type far struct {
	script [][]string
	dial   func(context.Context, string, string) (net.Conn, error)
	mu     sync.Mutex
	dials  int
	seen   []string // "connection.request path"
}

// listen serves on loopback.
func (f *far) listen(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	f.dial = func(ctx context.Context, network, _ string) (net.Conn, error) {
		here, err := new(net.Dialer).DialContext(ctx, network, l.Addr().String())
		if err != nil {
			return nil, err
		}
		there, err := l.Accept()
		f.begin(there)
		return here, err
	}
}

// pipe serves on pipes, which synctest knows.
func (f *far) pipe(context.Context, string, string) (net.Conn, error) {
	here, there := net.Pipe()
	f.begin(there)
	return here, nil
}

func (f *far) begin(conn net.Conn) {
	f.mu.Lock()
	defer f.mu.Unlock()
	go f.serve(f.dials, conn)
	f.dials++
}

func (f *far) saw() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return strings.Join(f.seen, ", ")
}

func (f *far) serve(n int, conn net.Conn) {
	defer conn.Close()
	r := bufio.NewReader(conn)
	for i := 0; n < len(f.script) && i < len(f.script[n]); i++ {
		answer, unasked := strings.CutPrefix(f.script[n][i], "unasked ")
		if unasked {
			time.Sleep(10 * time.Millisecond) // not with the answer before
		} else {
			req, err := http.ReadRequest(r)
			if err != nil {
				return
			}
			f.mu.Lock()
			f.seen = append(f.seen, fmt.Sprintf("%d.%d %s", n, i, req.URL.Path))
			f.mu.Unlock()
		}
		text, last := strings.CutSuffix(answer, "!")
		if _, err := io.WriteString(conn, text); err != nil || last {
			return
		}
	}
	_, _ = io.Copy(io.Discard, r) // silent until the client closes
}

func (f *far) transport() *Transport {
	return New(&http.Transport{DialContext: f.dial, TLSClientConfig: &tls.Config{}, TLSHandshakeTimeout: time.Second, IdleConnTimeout: time.Minute,
		MaxIdleConns: 4, MaxIdleConnsPerHost: 3, MaxResponseHeaderBytes: 1 << 10, ReadBufferSize: 256})
}

func ask(ctx context.Context, t *Transport, url string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	resp, err := t.RoundTrip(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	return fmt.Sprintf("%d %s", resp.StatusCode, data), err
}

func TestAnswers(t *testing.T) {
	long := strings.Repeat("x", 2000)
	for _, test := range []struct {
		name   string
		script [][]string
		want   []string // of one request after the other: the answer, or the error
		seen   string
	}{
		{"a connection is kept", [][]string{{ok, ok}}, []string{"200 ok", "200 ok"}, "0.0 /0, 0.1 /1"},
		{"after a chunked body with a trailer", [][]string{{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nA: b\r\n\r\n", ok}},
			[]string{"200 ok", "200 ok"}, "0.0 /0, 0.1 /1"},
		{"after none", [][]string{{"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", ok}}, []string{"404 ", "200 ok"}, "0.0 /0, 0.1 /1"},
		{"not if the server says so", [][]string{{"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"}, {ok}},
			[]string{"200 ok", "200 ok"}, "0.0 /0, 1.0 /1"},
		{"not if its end is that of the body", [][]string{{"HTTP/1.1 200 OK\r\n\r\nok!"}, {ok}}, []string{"200 ok", "200 ok"}, "0.0 /0, 1.0 /1"},
		{"not with HTTP/1.0", [][]string{{"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok"}, {ok}}, []string{"200 ok", "200 ok"}, "0.0 /0, 1.0 /1"},
		{"not if more came than was asked for", [][]string{{ok + ok}, {ok}}, []string{"200 ok", "200 ok"}, "0.0 /0, 1.0 /1"},
		{"one that was closed is replaced", [][]string{{ok + "!"}, {ok}}, []string{"200 ok", "200 ok"}, "0.0 /0, 1.0 /1"},
		{"also if it is closed at the request", [][]string{{ok, "!"}, {ok}}, []string{"200 ok", "200 ok"}, "0.0 /0, 0.1 /1, 1.0 /1"},
		{"also if that is told", [][]string{{ok, "unasked HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"}, {ok}},
			[]string{"200 ok", "200 ok"}, "0.0 /0, 1.0 /1"},
		{"but once", [][]string{{ok, "!"}, {"!"}, {ok}}, []string{"200 ok", "EOF", "200 ok"}, "0.0 /0, 0.1 /1, 1.0 /1, 2.0 /2"},
		{"a new one is not", [][]string{{"!"}, {ok}}, []string{"EOF", "200 ok"}, "0.0 /0, 1.0 /1"},
		{"nor one that had begun to answer", [][]string{{ok, "HTTP/1.1 200 OK\r\n!"}, {ok}}, []string{"200 ok", "unexpected EOF", "200 ok"},
			"0.0 /0, 0.1 /1, 1.0 /2"},
		{"a body is cut", [][]string{{"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok!"}, {ok}}, []string{"unexpected EOF", "200 ok"}, "0.0 /0, 1.0 /1"},
		{"informational answers are passed over", [][]string{{"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + ok, ok}}, []string{"200 ok", "200 ok"}, "0.0 /0, 0.1 /1"},
		{"not without end", [][]string{{strings.Repeat("HTTP/1.1 103 Early Hints\r\n\r\n", 6) + ok}, {ok}},
			[]string{"too many informational answers (1xx)", "200 ok"}, "0.0 /0, 1.0 /1"},
		{"a change of protocol was not asked for", [][]string{{"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"}, {ok}}, []string{"101 ", "200 ok"}, "0.0 /0, 1.0 /1"},
		{"a header is bounded", [][]string{{"HTTP/1.1 200 OK\r\nA: " + long + "\r\nContent-Length: 2\r\n\r\nok"}, {ok}},
			[]string{"the header of the answer has more than 1024 bytes", "200 ok"}, "0.0 /0, 1.0 /1"},
		{"a body is not", [][]string{{"HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n" + long, ok}}, []string{"200 " + long, "200 ok"}, "0.0 /0, 0.1 /1"},
		{"what is no answer", [][]string{{"SSH-2.0-x\r\n"}}, []string{`malformed HTTP response "SSH-2.0-x"`}, "0.0 /0"},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := &far{script: test.script}
			f.listen(t)
			tr := f.transport()
			defer tr.CloseIdleConnections()
			for i, want := range test.want {
				got, err := ask(t.Context(), tr, fmt.Sprintf("http://far.test/%d", i))
				if err != nil {
					got = err.Error()
				}
				if got != want {
					t.Errorf("request %d: %q, want %q", i, got, want)
				}
			}
			if f.saw() != test.seen {
				t.Errorf("the server saw %s, want %s", f.saw(), test.seen)
			}
		})
	}
}

// What a server says while a connection waits is no answer to the next request.
func TestUnasked(t *testing.T) {
	for said, want := range map[string]string{
		"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n!": "200 ok",
		"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n":                         "200 ok",
		"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 2\r\n\r\nno":               "429 no", // a second request would be worse
		"\r\n": "200 ok", "more than Content-Length says\r\n": "200 ok",
	} {
		f := &far{script: [][]string{{ok, "unasked " + said}, {ok}}}
		f.listen(t)
		tr := f.transport()
		if got, err := ask(t.Context(), tr, "http://far.test/0"); got != "200 ok" || err != nil {
			t.Fatalf("%q, error %v", got, err)
		}
		tr.mu.Lock()
		tr.idle[server{host: "far.test"}][0].since = time.Now().Add(-time.Second)
		tr.mu.Unlock()
		if got, err := ask(t.Context(), tr, "http://far.test/1"); got != want || err != nil {
			t.Errorf("after %q: %q, error %v, want %q", said, got, err, want)
		}
		tr.CloseIdleConnections()
	}
}

// A request ends with its context, for the reason that this has, and its connection too.
func TestContextEnds(t *testing.T) {
	for name, script := range map[string]string{
		"before the header": "", "in the header": "HTTP/1.1 200 OK\r\nContent-", "in the body": "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok",
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := &far{script: [][]string{{ok, script}, {ok}}}
				f.dial = f.pipe
				tr := f.transport()
				if _, err := ask(t.Context(), tr, "http://far.test/a"); err != nil {
					t.Fatal(err)
				}
				reason := errors.New("enough")
				ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, reason)
				defer cancel()
				if got, err := ask(ctx, tr, "http://far.test/b"); err != reason {
					t.Errorf("%q, error %v", got, err)
				}
				if got, err := ask(ctx, tr, "http://far.test/not"); err != reason {
					t.Errorf("%q, error %v of a request that comes too late", got, err)
				}
				got, err := ask(t.Context(), tr, "http://far.test/c")
				if err != nil || got != "200 ok" || f.saw() != "0.0 /a, 0.1 /b, 1.0 /c" {
					t.Errorf("%q, error %v, the server saw %s", got, err, f.saw())
				}
				tr.CloseIdleConnections()
			})
		})
	}
}

// What is not used is closed, and no more is kept than may be: 3 of one server, 4 in all.
func TestUnusedConnectionsAreClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &far{script: [][]string{{ok}, {ok}, {ok}, {ok}, {ok}, {ok}, {ok}}}
		f.dial = f.pipe
		tr := f.transport()
		var bodies []io.Reader
		for _, url := range []string{"http://a.test", "http://a.test", "http://a.test", "http://a.test", "http://b.test", "http://b.test"} {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := tr.RoundTrip(req)
			if err != nil {
				t.Fatal(err)
			}
			bodies = append(bodies, resp.Body)
		}
		for i, want := range []int{1, 2, 3, 3, 4, 4} {
			_, err := io.Copy(io.Discard, bodies[i])
			tr.mu.Lock()
			if err != nil || tr.kept != want {
				t.Errorf("after body %d, error %v, %d connections are kept, want %d", i, err, tr.kept, want)
			}
			tr.mu.Unlock()
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		tr.mu.Lock()
		defer tr.mu.Unlock()
		if tr.kept != 0 || len(tr.idle) != 0 || tr.sweep != nil {
			t.Errorf("%d are kept after two minutes, a timer: %v", tr.kept, tr.sweep != nil)
		}
	})
}

func TestTLS(t *testing.T) {
	var mu sync.Mutex
	from := map[string]bool{}
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		from[r.RemoteAddr] = true
		mu.Unlock()
		fmt.Fprint(w, "ok")
	}))
	srv.Config.ErrorLog = log.New(io.Discard, "", 0) // of the handshake that is to fail
	srv.StartTLS()
	defer srv.Close()
	tr := (&far{}).transport()
	tr.base.DialContext = new(net.Dialer).DialContext
	if _, err := ask(t.Context(), tr, srv.URL); !errors.As(err, new(*tls.CertificateVerificationError)) {
		t.Errorf("a server that nobody knows: %v", err)
	}
	tr.base.TLSClientConfig.RootCAs = x509.NewCertPool()
	tr.base.TLSClientConfig.RootCAs.AddCert(srv.Certificate())
	defer tr.CloseIdleConnections()
	for range 3 {
		if got, err := ask(t.Context(), tr, srv.URL); got != "200 ok" || err != nil {
			t.Errorf("%q, error %v", got, err)
		}
	}
	if len(from) != 1 {
		t.Errorf("%d connections were made for three requests, one after the other", len(from))
	}
}

func TestManyAtATime(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.URL.Path) }))
	defer srv.Close()
	tr := (&far{}).transport()
	tr.base.DialContext = new(net.Dialer).DialContext
	defer tr.CloseIdleConnections()
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 50 {
				path := fmt.Sprintf("/%d/%d", g, i)
				if got, err := ask(t.Context(), tr, srv.URL+path); got != "200 "+path || err != nil {
					t.Errorf("%s: %q, error %v", path, got, err)
				}
			}
		})
	}
	wg.Wait()
}
