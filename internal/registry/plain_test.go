package registry

import (
	"net/http"
	"runtime"
	"testing"
	"time"
)

// After the first response on a connection, package plainget answers the frequent requests of
// cargo, and net/http all others.
func TestPlainRequests(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("connections are net/http's own on this system")
	}
	f := newFake()
	s, _ := running(t, ServerConfig{}, New(Config{Mirror: f}))
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	answerOf(t, client, s.URL()+"/index/config.json")
	for path, want := range map[string]int64{
		"/index/config.json":             1,
		"/index/3/f/foo":                 1,
		"/crates/foo/foo-1.0.0.crate":    1,
		"/crates/foo/1.0.0/download":     1,
		"/index/no/ne/none":              1,
		"/crates/foo/none-1.0.0.crate":   1,
		"/api/v1/crates/foo":             0,
		"/crates/foo":                    0,
		"/crates/foo/1.0.0-a.crate":      0, // a page, which has no Content-Length
		"/index/3/f/foo?query":           0,
		"/crates/foo/1%2E0.0/download":   0,
		"/snapshot/2026-01-01/3/f/foo":   0,
		"/replicate/bundles.index.jsonl": 0,
	} {
		got := int64(-1)
		for try := 0; try < 50 && got < want; try++ { // what comes before net/http waits for it is net/http's
			time.Sleep(time.Duration(try) * time.Millisecond)
			before := s.plain.Taken()
			fetch(t, client, s.URL()+path)
			got = s.plain.Taken() - before
		}
		if got != want {
			t.Errorf("%s: %d plain requests, want %d", path, got, want)
		}
	}
}
