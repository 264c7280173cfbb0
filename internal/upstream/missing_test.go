package upstream

import (
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

const (
	accessDenied = `<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>`
	blockPage    = "<!DOCTYPE html><h1>You are blocked</h1>"
)

// An upstream that has a part of the files: what it does not have is an answer,
// however often, unless all says that we are shut out.
func TestB31PartialUpstream(t *testing.T) {
	answers := func(status, body string) func(net.Conn) {
		return func(c net.Conn) { reply(c, status, []byte(body)) }
	}
	for _, tt := range []struct {
		name    string
		first   func(net.Conn) // to the first request for crate0; nil: as missing
		later   func(net.Conn) // to later ones
		missing func(net.Conn) // to all others
		stops   int            // after so many items; 0: not at all
		reason  string
		probes  int // requests for crate0 after the first
	}{
		{"nothing is there", nil, nil, answers("404 Not Found", ""), 0, "", 0},
		{"nothing is there, with a page", nil, nil, answers("404 Not Found", blockPage), 0, "", 0},
		{"nothing is there, in S3", nil, nil, answers("403 Forbidden", accessDenied), 0, "", 0},
		{"a ban from the beginning", nil, nil, answers("403 Forbidden", blockPage), 50, "50 crates in a row were refused with 403", 0},
		{"all withheld from the beginning", nil, nil, answers("451 Unavailable For Legal Reasons", ""), 50, "50 crates in a row were refused with 451", 0},
		{"the first is there", ok, ok, answers("404 Not Found", ""), 0, "", 3},
		{"the first is there, others are forbidden", ok, ok, answers("403 Forbidden", blockPage), 0, "", 3},
		{"a ban", ok, answers("403 Forbidden", blockPage), answers("403 Forbidden", blockPage), 51, "and so is crate0 1.0.0 now", 1},
		{"a ban that looks like S3", ok, answers("403 Forbidden", accessDenied), answers("403 Forbidden", accessDenied), 51, "and so is crate0 1.0.0 now", 1},
		{"a portal for what was there", ok, answers("200 OK", blockPage), answers("404 Not Found", ""), 51, "and so is crate0 1.0.0 now", 6},
		{"a portal for all", ok, answers("200 OK", blockPage), answers("200 OK", blockPage), 51, "came with wrong bytes", 0},
		{"what was there cannot be had now", ok, answers("503 Service Unavailable", ""), answers("404 Not Found", ""), 0, "", 18},
	} {
		t.Run(tt.name, func(t *testing.T) {
			known := 0
			withOrigin(t, Config{AllowMissing: true, RetryMax: time.Second}, func(_ int, conn net.Conn, req *http.Request) {
				if !strings.Contains(req.URL.Path, "/crate0/") || tt.first == nil {
					tt.missing(conn)
					return
				}
				if known++; known == 1 {
					tt.first(conn)
				} else {
					tt.later(conn)
				}
			}, func(t *testing.T, c *Client, _ *origin) {
				stopped := 0
				for i := range 190 {
					if stopped = i; isStopped(c.Stopped()) {
						break
					}
					_ = fetchItem(t, c, i)
					stopped = 0
				}
				if stopped != tt.stops || tt.reason != "" && !strings.Contains(c.Stopped().Error(), tt.reason) {
					t.Errorf("stopped after %d items, want %d and %q: %v", stopped, tt.stops, tt.reason, c.Stopped())
				}
				if probes := max(0, known-1); probes != tt.probes {
					t.Errorf("what was there was asked for %d times, want %d", probes, tt.probes)
				}
			})
		})
	}
}
