package simreg

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/simreg/cert"
)

// Options says how to serve a registry. The zero value is plain HTTP/1.1 over TCP on a free
// port of 127.0.0.1.
type Options struct {
	// TLS serves https with a certificate signed by Server.Roots.
	TLS bool
	// HTTP2 offers HTTP/2 to clients; implies TLS.
	HTTP2 bool
	// CertHost is the host of the certificate; if empty, the server's own. With any other,
	// clients refuse it (row B17).
	CertHost string
	// CertExpires is the end of the certificate's validity; if zero, in an hour.
	CertExpires time.Time
	// Memory serves over pipes instead of TCP, so that a test with testing/synctest can
	// wait for hours. Only Server.Dial reaches it.
	Memory bool
}

// Server serves a [Registry].
type Server struct {
	BaseURL  string         // of crate files: BaseURL/{name}/{name}-{version}.crate
	IndexURL string         // of the sparse index, with the trailing slash
	FeedURL  string         // of the feed of new versions
	Roots    *x509.CertPool // nil without TLS

	reg  *Registry
	opts Options
	cert tls.Certificate
	addr string // host and port, the same after Down and Up

	quit chan struct{}  // closed by Close; ends every stall
	work sync.WaitGroup // serve loops, connections and handlers

	mu       sync.Mutex
	listener *listener // nil while the server is down
	http     *http.Server
	closed   bool
}

// Start serves the registry until Close.
func (r *Registry) Start(opts Options) (*Server, error) {
	opts.TLS = opts.TLS || opts.HTTP2
	s := &Server{reg: r, opts: opts, addr: "127.0.0.1:0", quit: make(chan struct{})}
	if opts.TLS {
		hosts := []string{"127.0.0.1", "localhost", pipeAddr{}.String()}
		if opts.CertHost != "" {
			hosts = []string{opts.CertHost}
		}
		if opts.CertExpires.IsZero() {
			opts.CertExpires = time.Now().Add(time.Hour)
		}
		var err error
		if s.cert, s.Roots, err = cert.New(hosts, opts.CertExpires); err != nil {
			return nil, fmt.Errorf("starting the simulated registry: %w", err)
		}
	}
	if err := s.Up(); err != nil {
		return nil, err
	}
	origin := "http://" + s.addr
	if opts.TLS {
		origin = "https://" + s.addr
	}
	s.BaseURL, s.IndexURL, s.FeedURL = origin+"/crates", origin+"/index/", origin+"/rss/updates.xml"
	r.mu.Lock()
	r.dl = s.BaseURL
	r.mu.Unlock()
	return s, nil
}

// Up starts the server again after Down, at the same address. If it runs, Up does nothing.
func (s *Server) Up() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return fmt.Errorf("starting the simulated registry: %w", http.ErrServerClosed)
	case s.listener != nil:
		return nil
	}
	ln, err := listen(s.addr, s.opts.Memory)
	if err != nil {
		return fmt.Errorf("starting the simulated registry: %w", err)
	}
	s.addr = ln.Addr().String()
	s.listener = &listener{Listener: ln, script: &s.reg.script, work: &s.work, quit: make(chan struct{})}
	s.http = s.newHTTPServer()
	s.work.Add(1)
	go func(srv *http.Server, ln *listener) {
		defer s.work.Done()
		if s.opts.TLS {
			srv.ServeTLS(ln, "", "") // always ErrServerClosed
		} else {
			srv.Serve(ln) // as above
		}
	}(s.http, s.listener)
	return nil
}

func (s *Server) newHTTPServer() *http.Server {
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(s.opts.HTTP2)
	return &http.Server{
		Handler:   s.handler(),
		Protocols: &protocols,
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{s.cert}},
		ErrorLog:  log.New(io.Discard, "", 0), // clients that leave are normal here
		ConnState: func(_ net.Conn, state http.ConnState) {
			switch state {
			case http.StateNew: // on the goroutine of Serve, so work is not zero
				s.work.Add(1)
			case http.StateClosed, http.StateHijacked:
				s.work.Done()
			}
		},
	}
}

// Down stops the server: connections break, new ones are refused.
func (s *Server) Down() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listener == nil {
		return
	}
	s.listener.Close() // closing a listener that accepts
	s.http.Close()     // as above
	s.listener = nil
}

// Close ends the server and waits until all its goroutines have ended.
func (s *Server) Close() {
	s.Down()
	s.mu.Lock()
	if !s.closed {
		s.closed = true
		close(s.quit)
	}
	s.mu.Unlock()
	s.work.Wait()
}

// enter counts a handler as work; false means that the server is closed.
func (s *Server) enter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.work.Add(1)
	}
	return !s.closed
}

// Dial connects to the server, whatever the address; it is a DialContext for an
// http.Transport.
func (s *Server) Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	if !s.opts.Memory {
		return LoopbackOnly(ctx, network, s.addr)
	}
	s.mu.Lock()
	ln := s.listener
	s.mu.Unlock()
	if ln == nil {
		return nil, errRefused(addr)
	}
	return ln.Listener.(*pipeListener).dial(ctx, addr)
}

// Client returns a client that only reaches this server, trusts its certificate and decodes
// nothing. The caller closes its idle connections.
func (s *Server) Client() *http.Client {
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(s.opts.HTTP2)
	return &http.Client{Transport: &http.Transport{
		DialContext:        s.Dial,
		TLSClientConfig:    &tls.Config{RootCAs: s.Roots},
		DisableCompression: true,
		Protocols:          &protocols,
	}}
}

// sleep waits for d, or forever if it is negative; false means that the client left or the
// server ends.
func (s *Server) sleep(ctx context.Context, d time.Duration) bool {
	var timer <-chan time.Time
	if d >= 0 {
		t := time.NewTimer(d)
		defer t.Stop()
		timer = t.C
	}
	select {
	case <-timer:
		return true
	case <-ctx.Done():
	case <-s.quit:
	}
	return false
}
