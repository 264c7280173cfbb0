package simreg

import (
	"context"
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	durabletest.ScratchInMemory()
	durabletest.GarbageWaits()
	goleak.VerifyTestMain(m)
}

const sample = "foo 1.0.0\n size 4000\nfoo 1.1.0+x\nBar 0.1.0"

// start serves r and returns a client that leaves no connection behind.
func start(t *testing.T, r *Registry, opts Options) (*Server, *http.Client) {
	t.Helper()
	s, err := r.Start(opts)
	if err != nil {
		t.Fatal(err)
	}
	client := s.Client()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	t.Cleanup(func() {
		client.CloseIdleConnections()
		s.Close()
	})
	return s, client
}

// reply is what a client saw.
type reply struct {
	status int
	header http.Header
	body   string
	proto  int
	err    error // of the request or of reading the body
	close  bool
}

func get(t *testing.T, client *http.Client, url string, header ...string) reply {
	t.Helper()
	return getContext(t.Context(), t, client, url, header...)
}

func getContext(ctx context.Context, t *testing.T, client *http.Client, url string, header ...string) reply {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := client.Do(req)
	if err != nil {
		return reply{err: err}
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	return reply{res.StatusCode, res.Header, string(body), res.ProtoMajor, err, res.Close}
}

func TestServerAnswersAsTheCDN(t *testing.T) {
	r := New(MustParse(sample)...)
	s, client := start(t, r, Options{})
	plus := string(bytesOf(t, r, id("foo", "1.1.0+x")))
	line := entryOf(t, r, id("Bar", "0.1.0")) + "\n"
	origin := strings.TrimSuffix(s.BaseURL, "/crates")
	for _, tt := range []struct {
		path   string
		status int
		body   string // "" for an XML error
	}{
		{"/crates/foo/foo-1.0.0.crate", 200, string(bytesOf(t, r, id("foo", "1.0.0")))},
		{"/crates/foo/1.0.0/download", 200, string(bytesOf(t, r, id("foo", "1.0.0")))},
		{"/crates/foo/foo-1.1.0%2Bx.crate", 200, plus},
		{"/crates/foo/foo-1.1.0+x.crate", 403, ""}, // B21
		{"/crates/foo/1.1.0+x/download", 200, plus},
		{"/crates/foo/foo-9.0.0.crate", 403, ""},
		{"/crates/foo/9.0.0/download", 403, ""},
		{"/crates/bar/bar-0.1.0.crate", 403, ""}, // case matters
		{"/crates/fo/foo-1.0.0.crate", 403, ""},
		{"/crates/foo/README", 403, ""},
		{"/index/3/b/bar", 200, line},
		{"/index/3/b/Bar", 404, ""},
		{"/index/no/th/nothing", 404, ""},
		{"/index/config.json", 200, string(configJSON(s.BaseURL))},
	} {
		got := get(t, client, origin+tt.path)
		if got.err != nil || got.status != tt.status || tt.body != "" && got.body != tt.body {
			t.Errorf("GET %s = %d, %d bytes, %v; want %d", tt.path, got.status, len(got.body), got.err, tt.status)
		}
		if isXML := strings.HasPrefix(got.body, "<?xml"); isXML != (tt.body == "") {
			t.Errorf("GET %s: body is XML: %v", tt.path, isXML)
		}
	}
	if got := r.Requests(id("foo", "1.1.0+x")); got != 3 {
		t.Errorf("Requests(foo 1.1.0+x) = %d, want 3", got)
	}
	if got := r.TotalRequests(); got != 8 {
		t.Errorf("TotalRequests = %d, want 8", got)
	}
	if got := r.IndexRequests(); got != 4 {
		t.Errorf("IndexRequests = %d, want 4", got)
	}
}

func TestServerHeaders(t *testing.T) {
	r := New(MustParse(sample)...)
	s, client := start(t, r, Options{})
	for url, want := range map[string]map[string]string{
		s.BaseURL + "/foo/foo-1.0.0.crate": {"Content-Type": "application/gzip", "Cache-Control": "public,max-age=31536000,immutable"},
		s.IndexURL + "3/f/foo":             {"Content-Type": "text/plain", "Cache-Control": "public,max-age=600"},
		s.IndexURL + "config.json":         {"Content-Type": "application/json"},
		s.BaseURL + "/foo/foo-9.0.0.crate": {"Content-Type": "application/xml"},
	} {
		got := get(t, client, url)
		for key, value := range want {
			if got.header.Get(key) != value {
				t.Errorf("GET %s: %s: %s, want %s", url, key, got.header.Get(key), value)
			}
		}
		if got.status != http.StatusOK {
			continue
		}
		again := get(t, client, url, "If-None-Match", got.header.Get("ETag"))
		if again.status != http.StatusNotModified || again.body != "" {
			t.Errorf("GET %s with its ETag %s = %d", url, got.header.Get("ETag"), again.status)
		}
		part := get(t, client, url, "Range", "bytes=1-3")
		if part.status != http.StatusPartialContent || part.body != got.body[1:4] {
			t.Errorf("GET %s, bytes 1 to 3 = %d %q", url, part.status, part.body)
		}
	}
}

func TestServerProtocols(t *testing.T) {
	r := New(MustParse(sample)...)
	for name, tt := range map[string]struct {
		opts  Options
		proto int
	}{
		"plain":         {Options{}, 1},
		"TLS":           {Options{TLS: true}, 1},
		"HTTP2":         {Options{HTTP2: true}, 2},
		"memory":        {Options{Memory: true}, 1},
		"memory, HTTP2": {Options{Memory: true, HTTP2: true}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			s, client := start(t, r, tt.opts)
			got := get(t, client, s.BaseURL+"/foo/foo-1.0.0.crate")
			if got.err != nil || got.proto != tt.proto || got.body != string(bytesOf(t, r, id("foo", "1.0.0"))) {
				t.Errorf("HTTP/%d, %d bytes, %v; want HTTP/%d", got.proto, len(got.body), got.err, tt.proto)
			}
		})
	}
}

func TestB17BadCertificates(t *testing.T) {
	r := New(MustParse(sample)...)
	for name, tt := range map[string]struct {
		opts   Options
		reason x509.InvalidReason
	}{
		"expired": {Options{TLS: true, CertExpires: time.Now().Add(-time.Hour)}, x509.Expired},
		"host":    {Options{TLS: true, CertHost: "static.crates.io"}, -1},
	} {
		t.Run(name, func(t *testing.T) {
			s, client := start(t, r, tt.opts)
			err := get(t, client, s.BaseURL+"/foo/foo-1.0.0.crate").err
			var invalid x509.CertificateInvalidError
			var host x509.HostnameError
			if ok := errors.As(err, &invalid) && invalid.Reason == tt.reason || errors.As(err, &host) && tt.reason < 0; !ok {
				t.Errorf("error = %v", err)
			}
		})
	}
}

func TestDownAndUp(t *testing.T) {
	for _, opts := range []Options{{}, {Memory: true}} {
		r := New(MustParse(sample)...)
		s, client := start(t, r, opts)
		url := s.BaseURL + "/foo/foo-1.0.0.crate"
		if got := get(t, client, url); got.err != nil {
			t.Fatal(got.err)
		}
		s.Down()
		if got := get(t, client, url); !isErrno(got.err, syscall.ECONNREFUSED, 10061) {
			t.Errorf("%+v: error while down = %v, want connection refused", opts, got.err)
		}
		if err := s.Up(); err != nil {
			t.Fatal(err)
		}
		if got := get(t, client, url); got.err != nil || got.status != 200 {
			t.Errorf("%+v: after Up: %d, %v", opts, got.status, got.err)
		}
		s.Close()
		if err := s.Up(); !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("%+v: Up after Close = %v", opts, err)
		}
	}
}

// isErrno compares with the number that the system uses; package syscall has
// the names of sockets' errors on Windows, but not their numbers.
func isErrno(err error, unix, windows syscall.Errno) bool {
	return errors.Is(err, unix) || runtime.GOOS == "windows" && errors.Is(err, windows)
}

func TestLoopbackOnly(t *testing.T) {
	s, _ := start(t, New(), Options{})
	for _, host := range []string{"127.0.0.1", "localhost"} {
		conn, err := LoopbackOnly(t.Context(), "tcp", host+s.addr[strings.LastIndexByte(s.addr, ':'):])
		if err != nil {
			t.Errorf("%s: %v", host, err)
			continue
		}
		conn.Close()
	}
	for _, addr := range []string{"static.crates.io:443", "192.0.2.1:80", "[2001:db8::1]:80", "0.0.0.0:80", "169.254.169.254:80"} {
		want := "dialling " + addr + ": tests and the demo reach no other machine; use the address of a simulated registry"
		if _, err := LoopbackOnly(t.Context(), "tcp", addr); err == nil || err.Error() != want {
			t.Errorf("LoopbackOnly(%s) = %v, want %s", addr, err, want)
		}
	}
}

// Close returns while clients are stuck in every kind of stall, and they learn
// of it.
func TestCloseEndsStalls(t *testing.T) {
	for _, opts := range []Options{{}, {HTTP2: true}, {Memory: true}} {
		for _, f := range []Fault{
			{Kind: StallBody}, {Kind: StallHeaders}, {Kind: StallConnect}, {Kind: Endless},
			{Kind: Drip, Delay: time.Hour}, {Kind: Latency, Delay: time.Hour},
		} {
			r := New(MustParse(sample)...)
			r.Inject(All, f)
			s, client := start(t, r, opts)
			var failed atomic.Bool
			done := make(chan struct{})
			go func() {
				defer close(done)
				res, err := client.Get(s.BaseURL + "/foo/foo-1.0.0.crate")
				if err == nil {
					_, err = io.Copy(io.Discard, res.Body)
					res.Body.Close()
				}
				failed.Store(err != nil)
			}()
			for r.Injected(f.Kind) == 0 {
				time.Sleep(time.Millisecond)
			}
			s.Close()
			<-done
			if !failed.Load() {
				t.Errorf("%+v: %s: the client was served", opts, f.Kind)
			}
		}
	}
}

// A client that gives up ends the stall on the server's side.
func TestClientEndsStalls(t *testing.T) {
	for _, kind := range []Kind{StallBody, StallHeaders, StallConnect, Drip} {
		r := New(MustParse(sample)...)
		r.Inject(All, Fault{Kind: kind, Delay: time.Hour})
		s, client := start(t, r, Options{})
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		if got := getContext(ctx, t, client, s.BaseURL+"/foo/foo-1.0.0.crate"); !errors.Is(got.err, context.DeadlineExceeded) && !errors.Is(got.err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: error = %v", kind, got.err)
		}
		cancel()
		client.CloseIdleConnections()
		s.work.Done() // not the serve loop, which stays,
		s.work.Wait() // but handlers and connections must end
		s.work.Add(1)
	}
}
