package doctor

import (
	"net/url"
	"strings"
	"testing"
)

// The advice about speed is given only for a mirror on another machine without HTTPS.
func TestSlower(t *testing.T) {
	for address, want := range map[string]bool{
		"http://mirror.example/index/": true, "http://192.0.2.1:8080/index/": true,
		"https://mirror.example/index/": false, "http://127.0.0.1:8080/index/": false, "http://localhost/index/": false,
	} {
		u, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		if got := (&exam{index: u}).slower(); strings.Contains(got, "-tls-self-signed") != want || got != "" != want {
			t.Errorf("%s: %q", address, got)
		}
	}
}
