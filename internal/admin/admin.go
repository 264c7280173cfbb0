// Package admin serves the state of a process to its operator, on a listener separate from
// the mirror's: /metrics for Prometheus, /api/status for scripts, /healthz and /readyz for
// supervisors, /debug/pprof/ for profiles, the last to this machine only.
package admin

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"os"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Serve serves h at addr until stop is called.
func Serve(addr string, h http.Handler, log *slog.Logger) (stop func(), err error) {
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, err
	}
	server := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    32 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	log.Info("metrics and status", "addr", listener.Addr().String())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			log.Error("metrics and status are no longer served", "err", err)
		}
	}()
	return func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if server.Shutdown(ctx) != nil {
			server.Close()
		}
		<-done
	}, nil
}

// Config configures a [Handler].
type Config struct {
	Status  func() any   // is marshalled to JSON
	Ready   func() error // returns why the process is not ready; if nil, it always is
	Metrics []prometheus.Collector
}

// Handler returns the endpoints: the given metrics and those of Go and the process, the
// status, health checks and profiles.
func Handler(cfg Config) http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	registry.MustRegister(cfg.Metrics...)
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /api/status", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.MarshalWrite(w, cfg.Status()) // an error means that the client is gone
	})
	for path, profile := range map[string]http.HandlerFunc{
		"": pprof.Index, "cmdline": pprof.Cmdline, "profile": pprof.Profile, "symbol": pprof.Symbol, "trace": pprof.Trace,
	} {
		mux.Handle("/debug/pprof/"+path, loopbackOnly(profile))
	}
	ready := cfg.Ready
	if ready == nil {
		ready = func() error { return nil }
	}
	return Health("", ready, ownNameOnly(mux))
}

// loopbackOnly serves h to this machine only, whatever address the listener has: profiles
// show memory and the command line.
func loopbackOnly(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !IsLoopback(r.RemoteAddr) {
			http.Error(w, "profiles are for loopback clients only", http.StatusForbidden)
			return
		}
		h.ServeHTTP(w, r)
	})
}

// ownNameOnly refuses requests that arrive over the loopback interface under a name that is
// not this machine's: a web site has pointed its own name at 127.0.0.1, so that the
// operator's browser sends them (DNS rebinding, H10).
func ownNameOnly(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		local, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
		if local != nil && IsLoopback(local.String()) && !isOwnName(r.Host) {
			http.Error(w, "ask for this by an IP address, as localhost, or by the name of this machine", http.StatusForbidden)
			return
		}
		h.ServeHTTP(w, r)
	})
}

func isOwnName(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	own, _ := os.Hostname()
	return net.ParseIP(strings.Trim(host, "[]")) != nil || strings.EqualFold(host, "localhost") || own != "" && strings.EqualFold(host, own)
}

// IsLoopback reports whether addr, as "ip:port", is reachable from this machine only.
func IsLoopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	ip := net.ParseIP(host)
	return err == nil && ip != nil && ip.IsLoopback()
}
