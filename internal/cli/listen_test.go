package cli

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/flags"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/follow"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/home"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/program"
)

func adminEndpoints(t *testing.T) http.Handler {
	t.Helper()
	run := &flags.Run{Home: home.Dirs{Root: t.TempDir()}}
	run.Home.Fill()
	log := slog.New(slog.DiscardHandler)
	return adminHandler(follow.NewActivity("", program.ExitCode), &run.Home, new(program.App).Upstreams(run, log))
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
		"crates_download_inflight 0", `crates_download_requests_total{code="200",status="ok"} 0`,
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
