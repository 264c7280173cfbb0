package registry

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// running starts a server on the loopback interface that stops with the test.
func running(t *testing.T, cfg ServerConfig, h http.Handler) (s *Server, stop func() error) {
	t.Helper()
	s = listening(t, cfg)
	return s, serving(t, s, h)
}

func listening(t *testing.T, cfg ServerConfig) *Server {
	t.Helper()
	cfg.Addr = "127.0.0.1:0"
	s, err := Listen(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func serving(t *testing.T, s *Server, h http.Handler) (stop func() error) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, h) }()
	stop = sync.OnceValue(func() error { cancel(); return <-done })
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
	return stop
}

func dial(t *testing.T, s *Server) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func fetch(t *testing.T, c *http.Client, url string) *http.Response {
	t.Helper()
	resp, err := c.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		t.Fatal(err)
	}
	return resp
}

// client is one that leaves no connection behind.
func client(t *testing.T, roots *x509.CertPool) *http.Client {
	tr := &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{RootCAs: roots}}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr}
}

// H1: 200 connections that send their headers a byte at a time are gone within
// the time for headers, though they use up all slots, and then others are served.
func TestH1Slowloris(t *testing.T) {
	s := listening(t, ServerConfig{MaxConns: 50})
	s.http.ReadHeaderTimeout = 300 * time.Millisecond
	serving(t, s, New(Config{Mirror: newFake()}))
	var slow []net.Conn
	for range 200 {
		c := dial(t, s)
		fmt.Fprint(c, "GET /index/config.json HTTP/1.1\r\nHost: x\r\nX-Slow: ")
		slow = append(slow, c)
	}
	resp := fetch(t, client(t, nil), s.URL()+"/index/config.json")
	wantStatus(t, resp, 200)
	for _, c := range slow {
		c.SetReadDeadline(time.Now().Add(5 * time.Second))
		if _, err := io.Copy(io.Discard, c); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal("a slow connection is still open")
		}
	}
}

// H1: headers of more than 32 KiB are refused.
func TestH1HeaderFlood(t *testing.T) {
	s, _ := running(t, ServerConfig{}, New(Config{Mirror: newFake()}))
	c := dial(t, s)
	go func() {
		fmt.Fprint(c, "GET /index/config.json HTTP/1.1\r\nHost: x\r\n")
		for range 2000 {
			if _, err := fmt.Fprintf(c, "X-Flood: %s\r\n", strings.Repeat("x", 100)); err != nil {
				return
			}
		}
	}()
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err == nil && resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("status %d", resp.StatusCode)
	}
}

// H1: a body that comes slowly does not hold the connection, and nothing reads it.
func TestH1SlowBody(t *testing.T) {
	s, _ := running(t, ServerConfig{}, New(Config{Mirror: newFake()}))
	for method, want := range map[string]string{"GET": "HTTP/1.1 400 ", "POST": "HTTP/1.1 405 "} {
		c := dial(t, s)
		fmt.Fprintf(c, "%s /index/config.json HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nx", method)
		c.SetReadDeadline(time.Now().Add(5 * time.Second))
		answer, err := io.ReadAll(c)
		if err != nil && !errors.Is(err, syscall.ECONNRESET) || !strings.HasPrefix(string(answer), want) {
			t.Errorf("%s: %v, %.60q", method, err, answer)
		}
	}
}

// H2: a client that takes a little every 20 seconds gets its crate, one that
// takes nothing for 30 is cut off.
func TestH2SlowReader(t *testing.T) {
	big := make([]byte, 1<<20)
	h := http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		(&response{ResponseWriter: rw, extended: time.Now()}).Write(big) // the client sees
	})
	for _, tt := range []struct {
		pause time.Duration
		whole bool
	}{{20 * time.Second, true}, {31 * time.Second, false}} {
		synctest.Test(t, func(t *testing.T) {
			l := newPipeListener()
			server := &http.Server{Handler: h, WriteTimeout: stall}
			done := make(chan error)
			go func() { done <- server.Serve(l) }()
			c := l.dial()
			fmt.Fprint(c, "GET / HTTP/1.0\r\n\r\n")
			got, buf := 0, make([]byte, chunk)
			for {
				n, err := io.ReadFull(c, buf)
				if got += n; err != nil {
					break
				}
				time.Sleep(tt.pause)
			}
			if whole := got > len(big); whole != tt.whole {
				t.Errorf("with pauses of %v: %d bytes of %d came", tt.pause, got, len(big))
			}
			c.Close()
			server.Close()
			<-done
		})
	}
}

// pipeListener accepts the far ends of pipes, which have no buffers and whose
// deadlines follow the clock of synctest.
type pipeListener struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func newPipeListener() *pipeListener {
	return &pipeListener{conns: make(chan net.Conn), done: make(chan struct{})}
}

func (l *pipeListener) dial() net.Conn {
	near, far := net.Pipe()
	l.conns <- far
	return near
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}
func (l *pipeListener) Close() error   { l.once.Do(func() { close(l.done) }); return nil }
func (l *pipeListener) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }

// H8: no open file left for a connection is no end: Accept is tried again.
func TestH8TooManyOpenFiles(t *testing.T) {
	s := listening(t, ServerConfig{})
	s.listener.Listener = &failing{Listener: s.listener.Listener, times: 3}
	stop := serving(t, s, New(Config{Mirror: newFake()}))
	c := client(t, nil)
	wantStatus(t, fetch(t, c, s.URL()+"/index/config.json"), 200)
	c.CloseIdleConnections()
	if err := stop(); err != nil {
		t.Error(err)
	}
	if n := len(s.listener.slots); n != 0 || s.listener.open.Load() != 0 {
		t.Errorf("%d slots are taken, %d connections open, by nobody", n, s.listener.open.Load())
	}
}

type failing struct {
	net.Listener
	times int
}

func (l *failing) Accept() (net.Conn, error) {
	if l.times--; l.times >= 0 {
		return nil, &net.OpError{Op: "accept", Err: os.NewSyscallError("accept", syscall.EMFILE)}
	}
	return l.Listener.Accept()
}

// H8: connections that clients break off give their slots back.
func TestH8ClientsThatLeave(t *testing.T) {
	s, _ := running(t, ServerConfig{MaxConns: 4}, New(Config{Mirror: newFake()}))
	for range 50 {
		c := dial(t, s)
		fmt.Fprint(c, "GET /crates/foo/1.0.0/download HTTP/1.1\r\nHost: x\r\n\r\n")
		c.Close()
	}
	wantStatus(t, fetch(t, client(t, nil), s.URL()+"/index/config.json"), 200)
}

func TestMaxConnsFromOpenFiles(t *testing.T) {
	for openFiles, want := range map[int]int{-1: 16384, 64: 4, 1024: 480, 1 << 20: 16384} {
		if got := defaultMaxConns(openFiles); got != want {
			t.Errorf("%d open files: %d connections, want %d", openFiles, got, want)
		}
	}
}

// H15: a port in use is an error at the start, a listener that dies is one later.
func TestH15Listener(t *testing.T) {
	s := listening(t, ServerConfig{})
	if _, err := Listen(ServerConfig{Addr: s.Addr().String()}); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("listening twice: %v", err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve(t.Context(), New(Config{Mirror: newFake()})) }()
	s.listener.Listener.Close()
	if err := <-done; err == nil {
		t.Error("the listener has died, and nobody says so")
	}
}

// H16: downloads under way at the end are finished, new connections refused.
func TestH16ShutdownUnderLoad(t *testing.T) {
	const downloads = 50
	begun, release := make(chan struct{}, downloads), make(chan struct{})
	slow := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, "first ")
		http.NewResponseController(w).Flush() // the client sees
		begun <- struct{}{}
		<-release
		io.WriteString(w, "last")
	})
	s, stop := running(t, ServerConfig{}, slow)
	s.OnShutdown(func() { close(release) })
	c := client(t, nil)
	var wg sync.WaitGroup
	for range downloads {
		wg.Go(func() {
			resp, err := c.Get(s.URL())
			if err != nil {
				t.Error(err)
				begun <- struct{}{}
				return
			}
			defer resp.Body.Close()
			if got, err := io.ReadAll(resp.Body); err != nil || string(got) != "first last" {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
	for range downloads {
		<-begun
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	wg.Wait()
	if c, err := net.Dial("tcp", s.Addr().String()); err == nil {
		c.Close()
		t.Error("connections are still accepted")
	}
}

// TLS, HTTP/2 over it, and a certificate that is replaced while we serve.
func TestTLS(t *testing.T) {
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	first := writeCertificate(t, cert, key)
	s, _ := running(t, ServerConfig{TLSCert: cert, TLSKey: key}, New(Config{Mirror: newFake()}))
	resp := fetch(t, client(t, first), s.URL()+"/index/config.json")
	wantStatus(t, resp, 200)
	if resp.ProtoMajor != 2 {
		t.Errorf("spoken over TLS: %s", resp.Proto)
	}
	if !strings.HasPrefix(s.URL(), "https://") {
		t.Errorf("URL %s", s.URL())
	}

	if err := os.WriteFile(cert, []byte("half a cert"), 0o600); err != nil {
		t.Fatal(err)
	}
	fetch(t, client(t, first), s.URL()+"/index/config.json") // the old one serves on

	second := writeCertificate(t, cert, key)
	fetch(t, client(t, second), s.URL()+"/index/config.json")
	if _, err := client(t, first).Get(s.URL()); err == nil {
		t.Error("the first certificate is still served")
	}

	if _, err := Listen(ServerConfig{Addr: "127.0.0.1:0", TLSCert: cert, TLSKey: filepath.Join(dir, "none")}); err == nil {
		t.Error("a key that is not there is no error")
	}
}

// writeCertificate makes a self-signed certificate for 127.0.0.1.
func writeCertificate(t *testing.T, certFile, keyFile string) *x509.CertPool {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: der}, keyFile: {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	return roots
}

// A panic is a bug: it costs its request alone, and the log reports it.
func TestPanicIsTold(t *testing.T) {
	var log bytes.Buffer
	h := New(Config{Mirror: newFake(), Log: slog.New(slog.NewTextHandler(&log, nil)), Pages: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/aborted" {
			panic(http.ErrAbortHandler)
		}
		panic("oh")
	})})
	for _, path := range []string{"/aborted", "/broken"} {
		func() {
			defer func() {
				if p := recover(); p != http.ErrAbortHandler {
					t.Errorf("%s: panic %v", path, p)
				}
			}()
			h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, path, nil))
		}()
	}
	if got := log.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "path=/broken panic=oh") || !strings.Contains(got, "server_test.go") {
		t.Errorf("log:\n%s", got)
	}
}
