package upstream

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
)

// withProxies sets the variables of the environment, and none beside them.
func withProxies(t *testing.T, variables map[string]string) {
	t.Helper()
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"} {
		t.Setenv(name, variables[name])
		t.Setenv(strings.ToLower(name), variables[strings.ToLower(name)])
	}
}

// The proxy of the environment is used, and cannot make us take other bytes.
func TestB19ProxyOfTheEnvironment(t *testing.T) {
	honest := func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Host == "origin.test" {
			_, _ = w.Write(payload)
		}
	}
	for _, tt := range []struct {
		name, variable string
		handler        http.HandlerFunc
		want           string
	}{
		{"honest", "HTTP_PROXY", honest, "<nil>"},
		{"for everything", "ALL_PROXY", honest, "<nil>"},
		{"for everything, lower case", "all_proxy", honest, "<nil>"},
		{"hostile", "HTTP_PROXY", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("other bytes")) },
			"serde 1.0.0: sha256 of the 11 bytes is"},
		{"dead", "HTTP_PROXY", nil, "serde 1.0.0: fetching http://origin.test/crates/serde/serde-1.0.0.crate: giving up after 2 attempts: proxyconnect"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			proxy := httptest.NewServer(tt.handler)
			defer proxy.Close()
			if tt.handler == nil {
				proxy.Close()
			}
			withProxies(t, map[string]string{tt.variable: proxy.URL})
			c := newClient(t, Config{Attempts: 2, RetryBase: time.Millisecond})
			body, _, err := c.Fetch(t.Context(), want(serde, payload))
			if err == nil {
				body.Release()
			}
			if !strings.HasPrefix(fmt.Sprint(err), tt.want) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
}

func TestB19WhichProxy(t *testing.T) {
	const http, https = "http://h.example/", "https://h.example/"
	for _, tt := range []struct {
		name      string
		variables map[string]string
		url, want string // the proxy's host
	}{
		{"none", nil, http, ""},
		{"all for http", map[string]string{"ALL_PROXY": "http://all:1"}, http, "all:1"},
		{"all for https", map[string]string{"ALL_PROXY": "socks5h://all:1"}, https, "all:1"},
		{"lower case first", map[string]string{"ALL_PROXY": "http://upper:1", "all_proxy": "socks5://lower:1"}, https, "lower:1"},
		{"one of its own goes before", map[string]string{"ALL_PROXY": "http://all:1", "HTTPS_PROXY": "http://own:1"}, https, "own:1"},
		{"and is for its scheme alone", map[string]string{"ALL_PROXY": "http://all:1", "HTTPS_PROXY": "http://own:1"}, http, "all:1"},
		{"no proxy", map[string]string{"ALL_PROXY": "http://all:1", "NO_PROXY": "h.example"}, https, ""},
		{"no proxy, lower case", map[string]string{"ALL_PROXY": "http://all:1", "no_proxy": ".example"}, https, ""},
		{"no scheme", map[string]string{"ALL_PROXY": "all:1"}, http, "all:1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			withProxies(t, tt.variables)
			proxy, err := Proxy()
			if err != nil {
				t.Fatal(err)
			}
			got, err := proxy(httptest.NewRequest("GET", tt.url, nil))
			if err != nil {
				t.Fatal(err)
			}
			if got == nil {
				got = new(url.URL)
			}
			if got.Host != tt.want {
				t.Errorf("proxy %v, want %q", got, tt.want)
			}
		})
	}
	withProxies(t, map[string]string{"ALL_PROXY": "socks4://user:s3cret@all:1"})
	if _, err := New(Config{}); err == nil || !strings.Contains(err.Error(), `scheme "socks4" is none of`) || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("error = %v", err)
	}
}

// A SOCKS proxy is asked to connect; one that says nothing does not hold us.
func TestB19SOCKSProxy(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(payload) }))
	defer server.Close()
	proxy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = proxy.Close() }()
	withProxies(t, map[string]string{"ALL_PROXY": "socks5h://" + proxy.Addr().String()})
	c := newClient(t, Config{Attempts: 1, HeaderTimeout: 200 * time.Millisecond})

	asked := make(chan string, 1)
	go func() { asked <- serveSOCKS(proxy, server.Listener.Addr().String()) }()
	body, _, err := c.Fetch(t.Context(), want(serde, payload))
	if err != nil {
		t.Fatal(err)
	}
	body.Release()
	c.Close() // the connection that is kept, for which the proxy waits
	if host := <-asked; host != "origin.test" {
		t.Errorf("asked for %q", host)
	}

	silent := make(chan net.Conn, 1)
	go func() { conn, _ := proxy.Accept(); silent <- conn }()
	if _, _, err := c.Fetch(t.Context(), want(serde, payload)); !strings.Contains(fmt.Sprint(err), "no answer came within") {
		t.Errorf("error = %v", err)
	}
	_ = (<-silent).Close()
}

// serveSOCKS is a SOCKS5 proxy (RFC 1928) for one connection, which leads to
// addr whatever is asked for. It returns the name that was asked for.
func serveSOCKS(l net.Listener, addr string) string {
	conn, err := l.Accept()
	if err != nil {
		return err.Error()
	}
	defer func() { _ = conn.Close() }()
	head := make([]byte, 3) // version, one method: none
	_, _ = io.ReadFull(conn, head)
	_, _ = conn.Write([]byte{5, 0})
	head = make([]byte, 5) // version, connect, 0, name, its length
	_, _ = io.ReadFull(conn, head)
	name := make([]byte, int(head[4])+2) // and the port
	_, _ = io.ReadFull(conn, name)
	_, _ = conn.Write([]byte{5, 0, 0, 1, 0, 0, 0, 0, 0, 0})
	to, err := net.Dial("tcp", addr)
	if err != nil {
		return err.Error()
	}
	relay(conn, to)
	return string(name[:len(name)-2])
}
