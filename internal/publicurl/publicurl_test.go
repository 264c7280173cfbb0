package publicurl

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParse(t *testing.T) {
	for s, want := range map[string]URL{
		"":                                     {},
		"http://127.0.0.1:8080":                {"http://127.0.0.1:8080", ""},
		"http://[::1]:8080/":                   {"http://[::1]:8080", ""},
		"https://mirror.example/rust/crates//": {"https://mirror.example/rust/crates", "/rust/crates"},
	} {
		if got, err := Parse(s); err != nil || got != want {
			t.Errorf("Parse(%q) = %q, %v; want %q", s, got, err, want)
		}
	}
	for _, s := range []string{
		"/", "mirror.example", "ftp://mirror.example", "https://", "http://a b/", "https://u:p@mirror.example", "https://u@mirror.example",
		"https://mirror.example/?q", "https://mirror.example?", "https://mirror.example/#x",
		"https://mirror.example/a//b", "https://mirror.example/../x", "https://mirror.example/a/./b", "https://mirror.example/a;b",
		// With these before it, "%2B" would be read as something else: net/http keeps
		// the escaped path beside the other only where they say different things.
		"https://mirror.example/a%2Fb", "https://mirror.example/a%20b", "https://mirror.example/a b", "https://mirror.example/ä", "https://mirror.example/%41",
	} {
		if u, err := Parse(s); err == nil {
			t.Errorf("Parse(%q) = %q", s, u)
		}
	}
}

// What a client says of our host does not count (H14).
func TestFor(t *testing.T) {
	arrived := func(addr *net.TCPAddr, secure bool) *http.Request {
		r := httptest.NewRequest(http.MethodGet, "http://evil.example/", nil)
		r.Header.Set("X-Forwarded-Host", "evil.example")
		if secure {
			r.TLS = &tls.ConnectionState{}
		}
		return r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, net.Addr(addr)))
	}
	r4 := arrived(&net.TCPAddr{IP: net.IPv4(192, 0, 2, 1).To16(), Port: 80}, false)
	for want, r := range map[string]*http.Request{
		"http://192.0.2.1:80":        r4,
		"https://[2001:db8::1]:8443": arrived(&net.TCPAddr{IP: net.ParseIP("2001:db8::1"), Port: 8443}, true),
		"http://[fe80::1]:8080":      arrived(&net.TCPAddr{IP: net.ParseIP("fe80::1"), Zone: "eth0", Port: 8080}, false),
		"http://localhost":           httptest.NewRequest(http.MethodGet, "http://evil.example/", nil),
	} {
		if got := (URL{}).For(r); got != want {
			t.Errorf("For = %q, want %q", got, want)
		}
	}
	if got := (URL{"https://mirror.example/rust", "/rust"}).For(r4); got != "https://mirror.example/rust" {
		t.Errorf("For = %q", got)
	}
	for base, want := range map[URL]URL{
		{}:                                       {"", "/policy/dev"},
		{"https://mirror.example/rust", "/rust"}: {"https://mirror.example/rust/policy/dev", "/rust/policy/dev"},
	} {
		if got := base.Below("/policy/dev"); got != want || got.For(r4) != base.For(r4)+"/policy/dev" {
			t.Errorf("below %q: %q, for a client %q", base, got, got.For(r4))
		}
	}
}

// What is printed is exactly what cargo needs.
func TestCargoConfigLines(t *testing.T) {
	got := CargoConfig(Index("https://mirror.example/rust"))
	want := `# for $CARGO_HOME/config.toml (~/.cargo/config.toml), or .cargo/config.toml of a project
[source.crates-io]
replace-with = "mirror"

[registries.mirror]
index = "sparse+https://mirror.example/rust/index/"
`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestCargoConfig(t *testing.T) {
	const head = "# for $CARGO_HOME/config.toml (~/.cargo/config.toml), or .cargo/config.toml of a project\n[source.crates-io]\nreplace-with = \"mirror\"\n\n"
	for index, want := range map[string]string{
		Index("https://mirror.example/rust/"): "[registries.mirror]\nindex = \"sparse+https://mirror.example/rust/index/\"\n",
		"file:///srv/rust/index.git":          "[source.mirror]\nregistry = \"file:///srv/rust/index.git\"\n",
	} {
		if got := CargoConfig(index); got != head+want {
			t.Errorf("%s: %q, want %q", index, got, head+want)
		}
	}
}
