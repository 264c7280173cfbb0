package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"os"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/urfave/cli/v3"
)

// adminAddr is where the admin endpoints of a command are served; empty: nowhere.
type adminAddr struct {
	flag, addr string
	given      bool // by the user
}

const adminUsage = "`ADDR` of /metrics, /api/status and /debug/pprof/ (loopback clients only); empty = off; a default that is taken is no error"

func (l *adminAddr) cliFlag(name, addr string) cli.Flag {
	l.flag = "-" + name
	return &cli.StringFlag{
		Name: name, Value: addr, Usage: adminUsage, Destination: &l.addr,
		Action: func(context.Context, *cli.Command, string) error { l.given = true; return nil },
	}
}

// listen listens, or returns nil if nothing is to be served. A port that nobody
// asked for does not keep a run from its work: Prometheus itself is at 9090.
func (l *adminAddr) listen(log *slog.Logger) (net.Listener, error) {
	if l.addr == "" {
		return nil, nil
	}
	listener, err := net.Listen("tcp", l.addr)
	if err != nil && !l.given {
		log.Warn("metrics and status are not served: the port is taken; give another one, or '' for none", "flag", l.flag, "err", err)
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("listening for %s: %w (another run may have the port: give another one, or %[1]s '' for none)", l.flag, err)
	}
	return listener, nil
}

// serve serves the admin endpoints of a command until stop is called.
func (l *adminAddr) serve(h http.Handler, log *slog.Logger) (stop func(), err error) {
	listener, err := l.listen(log)
	if listener == nil {
		return func() {}, err
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

// adminMux is the admin endpoints: metrics, what status returns as JSON, and
// profiles.
func adminMux(metrics prometheus.Gatherer, status func() any) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(metrics, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /api/status", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.MarshalWrite(w, status()) // an error is a client that went away
	})
	mux.Handle("/debug/pprof/", loopbackOnly(http.HandlerFunc(pprof.Index)))
	mux.Handle("/debug/pprof/cmdline", loopbackOnly(http.HandlerFunc(pprof.Cmdline)))
	mux.Handle("/debug/pprof/profile", loopbackOnly(http.HandlerFunc(pprof.Profile)))
	mux.Handle("/debug/pprof/symbol", loopbackOnly(http.HandlerFunc(pprof.Symbol)))
	mux.Handle("/debug/pprof/trace", loopbackOnly(http.HandlerFunc(pprof.Trace)))
	return ownNameOnly(mux)
}

// loopbackOnly keeps profiles, which show memory and the command line, to this
// machine, whatever address the listener has.
func loopbackOnly(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !isLoopback(r.RemoteAddr) {
			http.Error(w, "profiles are for loopback clients alone", http.StatusForbidden)
			return
		}
		h.ServeHTTP(w, r)
	})
}

// ownNameOnly refuses requests that came over the loopback interface and call
// this machine by a name that is not its own: those are a browser's, sent by a
// web site that has told it that its name stands for 127.0.0.1 (H10).
func ownNameOnly(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		local, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
		if local != nil && isLoopback(local.String()) && !isOwnName(r.Host) {
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

// isLoopback reports whether addr, as "ip:port", is of this machine alone.
func isLoopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	ip := net.ParseIP(host)
	return err == nil && ip != nil && ip.IsLoopback()
}
