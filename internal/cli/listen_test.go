package cli

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/urfave/cli/v3"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/follow"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store/loose"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/upstream"
)

func adminEndpoints(t *testing.T) http.Handler {
	t.Helper()
	client, err := upstream.New(upstream.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	disk := durabletest.NewMem()
	if err := errors.Join(disk.MkdirAll("quarantine"), durable.WriteFile(disk, "quarantine/found", nil)); err != nil {
		t.Fatal(err)
	}
	return adminHandler(follow.NewActivity(""), loose.OpenReadOnly(disk), client)
}

func get(h http.Handler, path, from string) *http.Response {
	req := httptest.NewRequest(http.MethodGet, path, nil)
	req.RemoteAddr = from
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, req)
	return rec.Result()
}

// The names are v1.1.0's: dashboards depend on them.
func TestMetricsNames(t *testing.T) {
	body, err := io.ReadAll(get(adminEndpoints(t), "/metrics", "192.0.2.1:1").Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`crates_processed_total{result="downloaded"} 0`, `crates_processed_total{result="existing"} 0`,
		`crates_processed_total{result="verified_existing"} 0`, `crates_processed_total{result="error"} 0`,
		"crates_download_bytes_total 0", "crates_download_duration_seconds_count 0", "crates_download_retries_total 0",
		"quarantine_unsettled 1", "quarantine_settled 0", "crates_download_inflight 0", `crates_download_requests_total{code="200",status="ok"} 0`,
	} {
		if !strings.Contains(string(body), "\n"+want+"\n") {
			t.Errorf("/metrics has no line %s", want)
		}
	}
}

func TestStatusIsJSON(t *testing.T) {
	if ct := get(adminEndpoints(t), "/api/status", "192.0.2.1:1").Header.Get("Content-Type"); ct != "application/json" {
		t.Errorf("Content-Type = %s", ct)
	}
}

// A default port that another program has, as Prometheus has 9090, does not keep a
// run from its work. One that was asked for does.
func TestH15DefaultPortTaken(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for _, given := range []bool{false, true} {
		var log strings.Builder
		l := adminAddr{flag: "-listen", addr: taken.Addr().String(), given: given}
		stop, err := l.serve(http.NotFoundHandler(), slog.New(slog.NewTextHandler(&log, nil)))
		if (err != nil) != given || strings.Contains(log.String(), "level=WARN msg=\"metrics and status are not served") == given {
			t.Errorf("given %t: %v, %s", given, err, log.String())
		}
		if err == nil {
			stop()
		}
	}
	for _, tt := range []struct {
		args  []string
		given bool
	}{{nil, false}, {[]string{"-listen", ":9090"}, true}, {[]string{"-listen", ""}, true}} {
		var l adminAddr
		cmd := &cli.Command{Flags: []cli.Flag{l.cliFlag("listen", ":9090")}, Action: func(context.Context, *cli.Command) error { return nil }}
		if err := cmd.Run(t.Context(), append([]string{"x"}, tt.args...)); err != nil || l.given != tt.given {
			t.Errorf("%q: given %t, %v", tt.args, l.given, err)
		}
	}
}
