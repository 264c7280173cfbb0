package registry

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/admin"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/keypair"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/plainget"
	"github.com/prometheus/client_golang/prometheus"
)

// Limits of a [Server]: H1 to H3.
const (
	headerTimeout = 10 * time.Second
	idleTimeout   = 2 * time.Minute
	maxHeader     = 32 << 10
	maxStreams    = 100
	drainTimeout  = 30 * time.Second
)

// ServerConfig configures a [Server].
type ServerConfig struct {
	// Addr is the address to listen on, as "host:port"; port 0 is any free port.
	Addr string
	// TLSCert and TLSKey are PEM files, both or neither. They are read again when they
	// change.
	TLSCert, TLSKey string
	// MaxConns is the maximum number of connections; others wait to be accepted. If 0, as
	// many as the limit of open files allows.
	MaxConns int
	// ConnsPerAddress is the maximum number of connections per address; others are closed.
	// If 0, only MaxConns limits them. It is of no use behind a proxy.
	ConnsPerAddress int
	// ClientCA is a PEM file with the authorities whose client certificates are valid; it
	// needs TLSCert. Clients may connect without a certificate: the handler checks it. If
	// empty, no certificates are requested.
	ClientCA string
	// Log receives what an operator should know. If nil, nothing is logged.
	Log *slog.Logger
}

// A Server owns a listener and the limits that protect clients from one another.
type Server struct {
	listener *limitListener
	http     *http.Server
	plain    plainget.Server
	secure   bool // TLS; http.Server makes its own TLSConfig in any case
	log      *slog.Logger
}

// Listen opens the listener: from then on connections wait until [Server.Serve] accepts
// them.
func Listen(cfg ServerConfig) (*Server, error) {
	s := &Server{log: cfg.Log}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if cfg.MaxConns == 0 {
		cfg.MaxConns = defaultMaxConns(admin.OpenFiles())
	}
	s.http = newHTTPServer(s.log)
	s.http.ConnContext, s.http.ConnState = s.withConn, tellIdle
	s.plain.Wants, s.plain.Idle, s.plain.Stall = isPlain, idleTimeout, stall
	if cfg.TLSCert != "" {
		keys, err := keypair.Load(cfg.TLSCert, cfg.TLSKey, s.log)
		if err != nil {
			return nil, err
		}
		s.secure, s.http.TLSConfig = true, &tls.Config{GetCertificate: keys.Get}
		if err := addClientCA(s.http.TLSConfig, cfg.ClientCA); err != nil {
			return nil, err
		}
	}
	l, err := net.Listen("tcp", cfg.Addr)
	if err != nil {
		return nil, fmt.Errorf("listening: %w", err)
	}
	s.listener = newLimitListener(l, cfg.MaxConns, s.log)
	s.listener.each = cfg.ConnsPerAddress
	return s, nil
}

// addClientCA makes the server request client certificates.
func addClientCA(to *tls.Config, file string) error {
	if file == "" {
		return nil
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("reading the authorities of clients: %w", err)
	}
	to.ClientCAs = x509.NewCertPool()
	if !to.ClientCAs.AppendCertsFromPEM(data) {
		return fmt.Errorf("reading the authorities of clients: %s has no certificate, as PEM, in it", file)
	}
	to.ClientAuth = tls.VerifyClientCertIfGiven
	return nil
}

// newHTTPServer returns a server with all limits except that of connections.
func newHTTPServer(log *slog.Logger) *http.Server {
	return &http.Server{
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       idleTimeout,
		WriteTimeout:      stall, // response extends it
		MaxHeaderBytes:    maxHeader,
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams: maxStreams,
			// A stream's deadline ends only the stream. This one ends a connection whose
			// client does not receive a frame.
			WriteByteTimeout: stall,
		},
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),

		DisableGeneralOptionsHandler: true, // OPTIONS * is no exception
	}
}

// otherFiles is the number of files that a server has open besides its connections: the
// catalog, the index, bundles, its logs.
const otherFiles = 64

// defaultMaxConns returns how many connections, each with a crate file, fit into a limit of
// open files; -1: unknown.
func defaultMaxConns(openFiles int) int {
	const least, most = 4, 16 << 10
	if openFiles < 0 {
		return most
	}
	return min(most, max(least, (openFiles-otherFiles)/2))
}

// Addr returns the listener's address.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// MaxConns returns the maximum number of connections.
func (s *Server) MaxConns() int { return cap(s.listener.slots) }

// URL returns the root URL for clients of the listener's address.
func (s *Server) URL() string {
	u := url.URL{Scheme: "http", Host: s.Addr().String()}
	if s.secure {
		u.Scheme = "https"
	}
	return u.String()
}

// Metrics returns the server's metrics.
func (s *Server) Metrics() prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "clonecratesio_serve_connections", Help: "Open connections.",
	}, func() float64 { return float64(s.listener.open.Load()) })
}

// Close closes a server on which Serve is not called.
func (s *Server) Close() error { return s.listener.Close() }

// OnShutdown registers f, which is called when the server begins to stop. Endless streams
// to clients must end then. It must not be called while Serve runs.
func (s *Server) OnShutdown(f func()) { s.http.RegisterOnShutdown(f) }

// Serve answers with h until ctx ends. Then it accepts no new connections, gives the
// current requests 30 s, and returns nil. It returns an error if the listener fails earlier
// (H15). It may be called once.
func (s *Server) Serve(ctx context.Context, h http.Handler) error {
	s.http.Handler, s.plain.Handler = h, h
	died := make(chan error, 1)
	go func() {
		if s.secure {
			died <- s.http.ServeTLS(s.listener, "", "")
		} else {
			died <- s.http.Serve(s.listener)
		}
	}()
	select {
	case err := <-died:
		s.http.Close()
		return fmt.Errorf("accepting connections at %s: %w", s.Addr(), err)
	case <-ctx.Done():
	}
	s.shutdown()
	<-died
	return nil
}

// shutdown waits for the current requests, for a bounded time (H16).
func (s *Server) shutdown() {
	ctx, cancel := context.WithTimeout(context.Background(), drainTimeout)
	defer cancel()
	s.log.Info("stopping: finishing current requests", "connections", s.listener.open.Load(), "at_most", drainTimeout)
	if err := cmp.Or(s.http.Shutdown(ctx), s.plain.Wait(ctx)); errors.Is(err, context.DeadlineExceeded) {
		s.log.Warn("aborted requests that took too long", "connections", s.listener.open.Load())
	}
	s.http.Close()
	s.plain.Close()
}
