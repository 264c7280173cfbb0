package admin_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/admin"
)

func get(h http.Handler, path, from string) *http.Response {
	req := httptest.NewRequest(http.MethodGet, path, nil)
	req.RemoteAddr = from
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, req)
	return rec.Result()
}

func endpoints() http.Handler {
	return admin.Handler(admin.Config{Status: func() any { return map[string]int{"versions": 7} }})
}

// H11: only this machine gets profiles, whatever the address of the listener.
func TestH11ProfilesAreLocal(t *testing.T) {
	h := endpoints()
	for from, want := range map[string]int{"127.0.0.1:1": 200, "[::1]:1": 200, "192.0.2.1:1": 403, "10.0.0.1:1": 403, "bad": 403} {
		for _, path := range []string{"/debug/pprof/", "/debug/pprof/cmdline", "/debug/pprof/symbol"} {
			if resp := get(h, path, from); resp.StatusCode != want {
				t.Errorf("%s from %s: %d, want %d", path, from, resp.StatusCode, want)
			}
		}
	}
}

// H10: a web site that points its name at 127.0.0.1 gets nothing.
func TestH10AdminHost(t *testing.T) {
	h := endpoints()
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
