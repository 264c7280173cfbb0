package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/mirror"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/upstream"
)

// listen serves the admin endpoints of a run at addr until stop is called; an
// empty addr serves nothing.
func listen(addr string, act *activity, client *upstream.Client, log *slog.Logger) (stop func(), err error) {
	if addr == "" {
		return func() {}, nil
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listening for -listen: %w (another run may have the port: give another one, or -listen '' for none)", err)
	}
	server := &http.Server{
		Handler:           adminHandler(act, client),
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    32 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	log.Info("metrics and status", "addr", l.Addr().String())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
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

func adminHandler(act *activity, client *upstream.Client) http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		client.Metrics())
	for result, value := range map[string]func(mirror.Counts) int64{
		"downloaded":        func(c mirror.Counts) int64 { return c.Downloaded },
		"existing":          func(c mirror.Counts) int64 { return c.Existing },
		"verified_existing": func(c mirror.Counts) int64 { return c.VerifiedExisting },
		"error":             mirror.Counts.Errors,
	} {
		registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "crates_processed_total", Help: "Processed records by result.",
			ConstLabels: prometheus.Labels{"result": result},
		}, func() float64 { return float64(value(act.totals())) }))
	}
	registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "sync_last_success_timestamp_seconds", Help: "When a round of a sync last came to its end, Unix time; 0: never.",
	}, func() float64 { return unixSeconds(act.following().good) }), prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "sync_consecutive_failures", Help: "Rounds in a row that could not go on.",
	}, func() float64 { return float64(act.following().failures) }), prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "sync_index_commit_timestamp_seconds", Help: "When the commit of the index was made that was mirrored last, Unix time; 0: not known.",
	}, func() float64 { return unixSeconds(act.following().index.Time) }))
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /api/status", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.MarshalWrite(w, act.state(client.Status())) // an error is a client that went away
	})
	mux.Handle("/debug/pprof/", loopbackOnly(http.HandlerFunc(pprof.Index)))
	mux.Handle("/debug/pprof/cmdline", loopbackOnly(http.HandlerFunc(pprof.Cmdline)))
	mux.Handle("/debug/pprof/profile", loopbackOnly(http.HandlerFunc(pprof.Profile)))
	mux.Handle("/debug/pprof/symbol", loopbackOnly(http.HandlerFunc(pprof.Symbol)))
	mux.Handle("/debug/pprof/trace", loopbackOnly(http.HandlerFunc(pprof.Trace)))
	return mux
}

// unixSeconds is 0 for the zero time.
func unixSeconds(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.Unix())
}

// loopbackOnly keeps profiles, which show memory and the command line, to this
// machine, whatever address the listener has.
func loopbackOnly(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.RemoteAddr)
		if ip := net.ParseIP(host); err != nil || ip == nil || !ip.IsLoopback() {
			http.Error(w, "profiles are for loopback clients alone", http.StatusForbidden)
			return
		}
		h.ServeHTTP(w, r)
	})
}
