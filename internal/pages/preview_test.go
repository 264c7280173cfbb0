package pages

import (
	"flag"
	"net"
	"net/http"
	"testing"
)

var preview = flag.String("preview", "", "serve the pages of the fixture at this address until the test is stopped")

// TestPreview is for looking at the pages while changing them:
// go test ./internal/pages -run TestPreview -preview 127.0.0.1:8081 -timeout 0
func TestPreview(t *testing.T) {
	if *preview == "" {
		t.Skip("only with -preview")
	}
	l, err := net.Listen("tcp", *preview)
	if err != nil {
		t.Fatal(err)
	}
	f := newFixture()
	f.withPast()
	h := newHandler(t, f, "http://"+l.Addr().String())
	t.Log("serving at ", l.Addr())
	t.Fatal(http.Serve(l, h))
}
