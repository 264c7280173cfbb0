package cli

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/follow"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/home"
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
	return adminHandler(follow.NewActivity(""), &follow.Session{Writer: &home.Writer{Store: loose.OpenReadOnly(disk)}, Client: client})
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
