package cli

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/urfave/cli/v3"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/mirror"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store/loose"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/upstream"
)

func admin(t *testing.T) http.Handler {
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
	return adminHandler(newActivity(), loose.OpenReadOnly(disk), client)
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
	body, err := io.ReadAll(get(admin(t), "/metrics", "192.0.2.1:1").Body)
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

func TestStatusFields(t *testing.T) {
	c := mirror.Counts{Downloaded: 5, Existing: 3, VerifiedExisting: 2, Gone: 1, Failed: 1, Elapsed: 2e9}
	data, err := json.Marshal(runState(c, upstream.Status{Limit: 7}))
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]any{
		"processed": 12.0, "ok": 10.0, "errors": 2.0, "downloaded": 5.0, "existing": 3.0, "verified_existing": 2.0,
		"uptime_sec": 2.0, "rate_per_sec": "6.0", "version": version(), "phase": "planning", "request_limit": 7.0,
	} {
		if got[key] != want {
			t.Errorf("%s = %v, want %v", key, got[key], want)
		}
	}
	if ct := get(admin(t), "/api/status", "192.0.2.1:1").Header.Get("Content-Type"); ct != "application/json" {
		t.Errorf("Content-Type = %s", ct)
	}
}

// H11: profiles are for this machine alone, whatever the address of the listener.
func TestH11ProfilesAreLocal(t *testing.T) {
	h := admin(t)
	for from, want := range map[string]int{"127.0.0.1:1": 200, "[::1]:1": 200, "192.0.2.1:1": 403, "10.0.0.1:1": 403, "bad": 403} {
		for _, path := range []string{"/debug/pprof/", "/debug/pprof/cmdline", "/debug/pprof/symbol"} {
			if resp := get(h, path, from); resp.StatusCode != want {
				t.Errorf("%s from %s: %d, want %d", path, from, resp.StatusCode, want)
			}
		}
	}
}

// H10: a web site whose name is made to stand for 127.0.0.1 gets nothing.
func TestH10AdminHost(t *testing.T) {
	h := admin(t)
	for _, tt := range []struct {
		local, host string
		want        int
	}{
		{"127.0.0.1:9091", "evil.example", 403}, {"127.0.0.1:9091", "evil.example:9091", 403}, {"[::1]:9091", "evil.example", 403},
		{"127.0.0.1:9091", "127.0.0.1.evil.example", 403}, {"127.0.0.1:9091", "", 403},
		{"127.0.0.1:9091", "127.0.0.1:9091", 200}, {"127.0.0.1:9091", "LOCALHOST:9091", 200}, {"[::1]:9091", "[::1]:9091", 200},
		{"[::1]:9091", "[::1]", 200}, {"192.0.2.1:9091", "mirror.example:9091", 200},
	} {
		for _, path := range []string{"/metrics", "/api/status", "/debug/pprof/cmdline"} {
			req := httptest.NewRequest(http.MethodGet, path, nil)
			req.RemoteAddr, req.Host = "127.0.0.1:1", tt.host
			local := net.TCPAddrFromAddrPort(netip.MustParseAddrPort(tt.local))
			rec := httptest.NewRecorder()
			h.ServeHTTP(rec, req.WithContext(context.WithValue(t.Context(), http.LocalAddrContextKey, net.Addr(local))))
			if rec.Code != tt.want {
				t.Errorf("%s at %s as %q: %d, want %d", path, tt.local, tt.host, rec.Code, tt.want)
			}
		}
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
