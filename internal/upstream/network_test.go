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
		o.running.Go(func() { relay(tls.Server(server, cfg), inner) })
		return client, nil
	}
}

func relay(outer, inner net.Conn) {
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

// Where DNS puts the host of a URL that the operator did not name into a
// private network, we do not go: by redirect or by the first request, however
// its name is spelled. A host that is named may be anywhere.
func TestB18GuardOfPrivateAddresses(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(payload) }))
	defer server.Close()
	_, port, _ := net.SplitHostPort(server.Listener.Addr().String())
	redirector := func(host string) string {
		front := httptest.NewServer(http.RedirectHandler("http://"+host+":"+port+"/", http.StatusFound))
		t.Cleanup(front.Close)
		return front.URL
	}
	for _, tt := range []struct {
		name    string
		url     string
		guarded bool
		allow   []string
		ok      bool
	}{
		{"redirect", redirector("localhost"), false, nil, false},
		{"redirect in upper case", redirector("LOCALHOST"), false, nil, false},
		{"redirect to an allowed host", redirector("localhost"), false, []string{"localhost:" + port}, true},
		{"redirect to an allowed host in upper case", redirector("LOCALHOST"), false, []string{"LocalHost:" + port}, true},
		{"redirect to an allowed host on another port", redirector("localhost"), false, []string{"localhost"}, false},
		{"named", "http://LOCALHOST:" + port, false, nil, true},
		{"not named", "http://localhost:" + port, true, nil, false},
		{"not named, an address", server.URL, true, nil, false},
		{"not named, allowed", "http://localhost:" + port, true, []string{"localhost:" + port}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := newClient(t, Config{AllowHosts: tt.allow})
			c.allowed["localhost:"+port] = true // localhost plays a registry host whose address is private
			r := want(serde, payload)
			r.URL, r.Guarded = tt.url, tt.guarded
			body, stats, err := c.Fetch(t.Context(), r)
			if body != nil {
				body.Release()
			}
			refused := strings.Contains(fmt.Sprint(err), "refused a connection to the private address") && stats.Attempts == 1
			if tt.ok && err != nil || !tt.ok && !refused {
				t.Errorf("error %v after %d attempts", err, stats.Attempts)
			}
		})
	}
}

// B18: what an error advises helps.
func TestB18RedirectErrorSaysWhatToAllow(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(payload) }))
	defer server.Close()
	front := httptest.NewServer(http.RedirectHandler(server.URL, http.StatusFound))
	defer front.Close()
	r := want(serde, payload)
	r.URL = front.URL
	_, _, err := newClient(t, Config{}).Fetch(t.Context(), r)
	_, host, found := strings.Cut(fmt.Sprint(err), "-allow-host ")
	if !found {
		t.Fatal(err)
	}
	body, _, err := newClient(t, Config{AllowHosts: []string{host}}).Fetch(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	body.Release()
}

func TestB18AllowedHosts(t *testing.T) {
	for host, ok := range map[string]bool{
		"cdn.example": true, "cdn.example:8443": true, "127.0.0.1:1": true, "[::1]:80": true,
		"": false, "https://cdn.example": false, "cdn.example/x": false, "cdn.example:x": false, "u@cdn.example": false, ":80": false, "a b": false,
	} {
		if err := CheckHost(host); (err == nil) != ok {
			t.Errorf("%q: %v", host, err)
		}
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
	dial := dialer(time.Nanosecond)
	if _, err := dial(t.Context(), "tcp", l.Addr().String()); !isTimeout(err) {
		t.Errorf("dial = %v", err)
	}
}

func isTimeout(err error) bool {
	e, ok := errors.AsType[net.Error](err)
	return ok && e.Timeout()
}

// A token goes to the host that was asked, and nowhere else: not to where a
// redirect leads, not back from there, and not into an error.
func TestB28Token(t *testing.T) {
	const token = "t0ken-s3cret"
	var got sync.Map // by path
	hear := func(next string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			got.Store(r.URL.Path, r.Header.Get("Authorization"))
			if next == "" {
				http.Error(w, "no", http.StatusUnauthorized)
				return
			}
			http.Redirect(w, r, next+r.URL.Path+"x", http.StatusFound)
		}
	}
	last := httptest.NewServer(hear(""))
	defer last.Close()
	first := http.NewServeMux()
	asked := httptest.NewServer(first)
	defer asked.Close()
	other := httptest.NewServer(hear(asked.URL))
	defer other.Close()
	first.Handle("/a", hear(asked.URL)) // stays
	first.Handle("/ax", hear(last.URL)) // leaves
	first.Handle("/b", hear(other.URL)) // leaves, and is sent back
	first.Handle("/bxx", hear(""))

	for _, tt := range []struct{ token, want string }{{token, "Bearer " + token}, {"Basic " + token, "Basic " + token}} {
		c := newClient(t, Config{Token: tt.token, AllowHosts: []string{last.Listener.Addr().String(), other.Listener.Addr().String()}})
		for path, want := range map[string]map[string]string{
			"/a": {"/a": tt.want, "/ax": tt.want, "/axx": ""},
			"/b": {"/b": tt.want, "/bx": "", "/bxx": ""},
		} {
			got.Clear()
			r := requestTo(asked.URL + path)
			_, _, err := c.Fetch(t.Context(), r)
			if !strings.Contains(fmt.Sprint(err), "-upstream-token-file") || strings.Contains(fmt.Sprint(err), token) {
				t.Errorf("error = %v", err)
			}
			for at, want := range want {
				if sent, asked := got.Load(at); !asked || sent != want {
					t.Errorf("%s: Authorization is %q, asked %t, want %q", at, sent, asked, want)
				}
			}
		}
	}
	if _, err := New(Config{Token: "two\nlines " + token}); err == nil || strings.Contains(err.Error(), token) {
		t.Errorf("error = %v", err)
	}
}

func requestTo(url string) Request {
	r := want(serde, payload)
	r.URL = url
	return r
}
