package upstream

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// tlsServer answers with payload over TLS, and knows who asked.
func tlsServer(t *testing.T, h2 bool, handler http.HandlerFunc) (*httptest.Server, *x509.CertPool) {
	t.Helper()
	s := httptest.NewUnstartedServer(handler)
	s.EnableHTTP2 = h2
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	return s, roots
}

func TestB17WrongCertificatesStopEarly(t *testing.T) {
	plain := atomic.Int32{}
	server, roots := tlsServer(t, false, func(w http.ResponseWriter, _ *http.Request) { plain.Add(1) })
	for name, cfg := range map[string]*tls.Config{
		"unknown authority": {},
		"wrong name":        {RootCAs: roots, ServerName: "static.crates.io"},
		"expired":           {RootCAs: roots, Time: func() time.Time { return time.Date(2300, 1, 1, 0, 0, 0, 0, time.UTC) }},
	} {
		t.Run(name, func(t *testing.T) {
			dials := atomic.Int32{}
			c := newClient(t, Config{TLS: cfg, Dial: func(ctx context.Context, network, addr string) (net.Conn, error) {
				dials.Add(1)
				return new(net.Dialer).DialContext(ctx, network, addr)
			}})
			for i := range certificateLimit {
				r := want(item(i), payload)
				r.URL = server.URL + "/x"
				_, stats, err := c.Fetch(t.Context(), r)
				if _, ok := errors.AsType[*tls.CertificateVerificationError](err); !ok || stats.Attempts != 1 {
					t.Fatalf("error %v after %d attempts", err, stats.Attempts)
				}
			}
			r := want(item(certificateLimit), payload)
			r.URL = server.URL + "/x"
			_, _, err := c.Fetch(t.Context(), r)
			if !isStopped(err) || !strings.Contains(err.Error(), "certificate is not valid") {
				t.Errorf("error = %v", err)
			}
			if dials.Load() != certificateLimit || plain.Load() != 0 {
				t.Errorf("%d dials, %d requests answered", dials.Load(), plain.Load())
			}
		})
	}
}

func TestB18Redirects(t *testing.T) {
	for _, tt := range []struct {
		name, base, to string
		ok             bool
	}{
		{"same host", "https://origin.test/a", "/b", true},
		{"registry", "https://origin.test/a", "https://static.crates.io/b", true},
		{"registry's index", "https://origin.test/a", "https://index.crates.io/b", true},
		{"configured", "https://origin.test/a", "https://cdn.example/b", true},
		{"configured with port", "https://origin.test/a", "https://cdn.example:8443/b", true},
		{"upgrade to https", "http://origin.test/a", "https://origin.test/b", true},
		{"http stays http", "http://origin.test/a", "http://static.crates.io/b", true},
		{"upper case", "https://origin.test/a", "https://STATIC.crates.io/b", true},
		{"downgrade", "https://origin.test/a", "http://origin.test/b", false},
		{"downgrade elsewhere", "https://origin.test/a", "http://static.crates.io/b", false},
		{"unknown host", "https://origin.test/a", "https://evil.example/b", false},
		{"other port", "https://origin.test/a", "https://origin.test:22/b", false},
		{"registry's other port", "https://origin.test/a", "https://static.crates.io:22/b", false},
		{"metadata service", "http://origin.test/a", "http://169.254.169.254/latest/meta-data", false},
		{"loopback", "http://origin.test/a", "http://127.0.0.1/b", false},
		{"file", "https://origin.test/a", "file:///etc/passwd", false},
		{"user in front", "https://origin.test/a", "https://static.crates.io@evil.example/", false},
		{"nowhere", "https://origin.test/a", "", false},
		{"garbage", "https://origin.test/a", "http://[::1", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			server, _ := tlsServer(t, false, func(http.ResponseWriter, *http.Request) {})
			answer := func(n int, conn net.Conn, _ *http.Request) {
				if n == 1 {
					reply(conn, "302 Found", nil, "Location: "+tt.to)
					return
				}
				ok(conn)
			}
			o := &origin{answer: answer}
			c := newClient(t, Config{
				AllowHosts: []string{"cdn.example", "cdn.example:8443"},
				Dial:       o.dialTLS(server.TLS),
				TLS:        &tls.Config{InsecureSkipVerify: true},
			})
			r := want(serde, payload)
			r.URL = tt.base
			body, stats, err := c.Fetch(t.Context(), r)
			switch redirect, refused := errors.AsType[*RedirectError](err); {
			case tt.ok && err != nil:
				t.Error(err)
			case !tt.ok && (!refused || redirect.Status != 302 || stats.Attempts != 1 || o.count() != 1):
				t.Errorf("error %v after %d requests", err, o.count())
			}
			if body != nil {
				body.Release()
			}
			c.Close()
			o.running.Wait()
		})
	}
}

// dialTLS is dial, with TLS on ports 443 and 8443.
func (o *origin) dialTLS(cfg *tls.Config) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		if !strings.HasSuffix(addr, "443") {
			return o.dial(ctx, network, addr)
		}
		client, server := net.Pipe()
		inner, err := o.dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		o.running.Go(func() { proxyTLS(tls.Server(server, cfg), inner) })
		return client, nil
	}
}

func proxyTLS(outer, inner net.Conn) {
	var copying sync.WaitGroup
	copying.Go(func() { _, _ = io.Copy(inner, outer); _ = inner.Close() })
	_, _ = io.Copy(outer, inner)
	_ = outer.Close()
	copying.Wait()
}

func TestB18RedirectsEnd(t *testing.T) {
	for name, hops := range map[string]int{"five": 5, "six": 6, "loop": 1 << 30} {
		withOrigin(t, Config{}, func(n int, conn net.Conn, _ *http.Request) {
			if n <= hops {
				reply(conn, "301 Moved Permanently", nil, "Location: /again")
				return
			}
			ok(conn)
		}, func(t *testing.T, c *Client, o *origin) {
			body, _, err := c.Fetch(t.Context(), want(serde, payload))
			if body != nil {
				body.Release()
			}
			if (err == nil) != (hops <= maxRedirects) || o.count() > maxRedirects+1 {
				t.Errorf("%s: error %v after %d requests", name, err, o.count())
			}
		})
	}
}

// A redirect to one of the registry's hosts does not lead into a private
// network when DNS says so; a request that names the host may go there.
func TestB18GuardOfPrivateAddresses(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(payload) }))
	defer server.Close()
	_, port, _ := net.SplitHostPort(server.Listener.Addr().String())
	front := httptest.NewServer(http.RedirectHandler("http://localhost:"+port+"/", http.StatusFound))
	defer front.Close()

	c := newClient(t, Config{})
	c.allowed["localhost:"+port] = true // localhost plays a registry host whose address is private
	c.guard.named["localhost"] = new(atomic.Bool)
	r := want(serde, payload)
	r.URL = front.URL
	_, stats, err := c.Fetch(t.Context(), r)
	if !strings.Contains(fmt.Sprint(err), "redirect into a private network") || stats.Attempts != 1 {
		t.Errorf("error %v after %d attempts", err, stats.Attempts)
	}
	for _, url := range []string{server.URL, "http://localhost:" + port, front.URL} { // the last is lifted by the one before
		r.URL = url
		body, _, err := c.Fetch(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		body.Release()
	}
}

func TestIsPublic(t *testing.T) {
	for addr, want := range map[string]bool{
		"151.101.2.137": true, "2a04:4e42::649": true, "64:ff9b::9765:289": true,
		"127.0.0.1": false, "10.1.2.3": false, "172.16.0.1": false, "192.168.1.1": false, "169.254.169.254": false,
		"100.100.100.200": false, "0.0.0.0": false, "255.255.255.255": false, "224.0.0.1": false, "198.18.0.1": false,
		"::1": false, "::": false, "fe80::1%eth0": false, "fd00::1": false, "ff02::1": false,
		"::ffff:127.0.0.1": false, "64:ff9b::7f00:1": false, "64:ff9b::a9fe:a9fe": false,
	} {
		if got := isPublic(netip.MustParseAddr(addr)); got != want {
			t.Errorf("isPublic(%s) = %v", addr, got)
		}
	}
}

// The proxy of the environment is used, and cannot make us take other bytes.
// net/http reads the environment once, hence the second process.
func TestB19ProxyOfTheEnvironment(t *testing.T) {
	if os.Getenv("UPSTREAM_TEST_PROXY") != "" {
		c := newClient(t, Config{Attempts: 2, RetryBase: time.Millisecond})
		body, _, err := c.Fetch(t.Context(), want(serde, payload))
		if err == nil {
			body.Release()
		}
		fmt.Printf("result: %v\n", err)
		return
	}
	for _, tt := range []struct {
		name    string
		handler http.HandlerFunc
		want    string
	}{
		{"honest", func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Host == "origin.test" {
				_, _ = w.Write(payload)
			}
		}, "result: <nil>"},
		{"hostile", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("other bytes")) },
			"result: serde 1.0.0: sha256 of the 11 bytes is"},
		{"dead", nil, "result: serde 1.0.0: fetching http://origin.test/crates/serde/serde-1.0.0.crate: giving up after 2 attempts: proxyconnect"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			proxy := httptest.NewServer(tt.handler)
			defer proxy.Close()
			address := proxy.URL
			if tt.handler == nil {
				proxy.Close()
			}
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestB19ProxyOfTheEnvironment$")
			cmd.Env = append(os.Environ(), "UPSTREAM_TEST_PROXY=1", "HTTP_PROXY="+address, "NO_PROXY=", "no_proxy=", "http_proxy=")
			out, err := cmd.CombinedOutput()
			if err != nil || !strings.Contains(string(out), tt.want) {
				t.Errorf("%v: %s, want %q", err, out, tt.want)
			}
		})
	}
}

func TestB12ResetInMidBody(t *testing.T) {
	first := atomic.Bool{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if !first.Swap(true) {
			w.Header().Set("Content-Length", fmt.Sprint(len(payload)))
			_, _ = w.Write(payload[:1000])
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			_ = conn.(*net.TCPConn).SetLinger(0) // close sends RST
			_ = conn.Close()
			return
		}
		_, _ = w.Write(payload)
	}))
	defer server.Close()
	c := newClient(t, Config{RetryBase: time.Millisecond})
	r := want(serde, payload)
	r.URL = server.URL
	body, stats, err := c.Fetch(t.Context(), r)
	if err != nil || stats.Attempts != 2 || !bytes.Equal(body.Data, payload) {
		t.Fatalf("%v after %d attempts", err, stats.Attempts)
	}
	body.Release()
}

// Many streams over HTTP/2, some of them reset, and a GOAWAY in between: no
// item is lost.
func TestB22HTTP2(t *testing.T) {
	var asked, h1 atomic.Int32
	server, roots := tlsServer(t, true, func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor != 2 {
			h1.Add(1)
		}
		n := asked.Add(1)
		if n%2 == 0 {
			w.Header().Set("Content-Length", fmt.Sprint(len(payload)))
		}
		switch {
		case n%7 == 3:
			_, _ = w.Write(payload[:100])
			panic(http.ErrAbortHandler) // RST_STREAM
		case n%50 == 0:
			w.Header().Set("Connection", "close") // GOAWAY
		}
		_, _ = w.Write(payload)
	})
	c := newClient(t, Config{HTTP: "2", TLS: &tls.Config{RootCAs: roots}, RetryBase: time.Millisecond, Attempts: 10})
	var running sync.WaitGroup
	for worker := range 32 {
		running.Go(func() {
			for i := range 20 {
				r := want(item(worker*100+i), payload)
				r.URL = server.URL + "/x"
				body, _, err := c.Fetch(t.Context(), r)
				if err != nil {
					t.Error(err)
					continue
				}
				if sha256.Sum256(body.Data) != r.Checksum {
					t.Error("wrong bytes")
				}
				body.Release()
			}
		})
	}
	running.Wait()
	if h1.Load() > 0 {
		t.Errorf("%d requests came over HTTP/1.1", h1.Load())
	}
}

// Connecting that goes nowhere ends by DialTimeout, a silent TLS server by
// TLSTimeout.
func TestB15TLSAndDialTimeouts(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0") // connects, says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	c := newClient(t, Config{TLSTimeout: 50 * time.Millisecond, Attempts: 1})
	r := want(serde, payload)
	r.URL = "https://" + l.Addr().String()
	start := time.Now()
	_, _, err = c.Fetch(t.Context(), r)
	if !strings.Contains(fmt.Sprint(err), "TLS handshake timeout") || time.Since(start) > 5*time.Second {
		t.Errorf("error %v after %v", err, time.Since(start))
	}
	dial := c.guard.dialer(time.Nanosecond)
	if _, err := dial(t.Context(), "tcp", l.Addr().String()); !isTimeout(err) {
		t.Errorf("dial = %v", err)
	}
}

func isTimeout(err error) bool {
	e, ok := errors.AsType[net.Error](err)
	return ok && e.Timeout()
}
