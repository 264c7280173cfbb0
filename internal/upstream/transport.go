package upstream

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"sync/atomic"
	"syscall"
	"time"
)

// newTransport sets net/http up for many small files from few hosts.
func newTransport(cfg Config, g *guard) *http.Transport {
	t := &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            cfg.Dial,
		TLSClientConfig:        tlsConfig(cfg.TLS),
		TLSHandshakeTimeout:    cfg.TLSTimeout,
		IdleConnTimeout:        cfg.IdleTimeout,
		MaxConnsPerHost:        cfg.MaxConnsPerHost,
		MaxIdleConns:           cfg.MaxIdleConns,
		MaxIdleConnsPerHost:    cfg.MaxIdleConnsPerHost,
		MaxResponseHeaderBytes: 64 << 10,
		ReadBufferSize:         32 << 10,
		DisableCompression:     true, // the bytes exactly as sent (B5)
		Protocols:              protocols(cfg.HTTP),
		// StrictMaxConcurrentRequests must stay off: with it, more requests
		// than the server has streams wait for ever (golang/go#70809).
		HTTP2: &http.HTTP2Config{SendPingTimeout: cfg.StallTimeout, PingTimeout: 15 * time.Second},
	}
	if t.DialContext == nil {
		t.DialContext = g.dialer(cfg.DialTimeout)
	}
	return t
}

func protocols(choice string) *http.Protocols {
	p := new(http.Protocols)
	if choice == "2" {
		p.SetHTTP2(true)
		p.SetUnencryptedHTTP2(true)
	} else {
		p.SetHTTP1(true)
	}
	return p
}

func tlsConfig(given *tls.Config) *tls.Config {
	cfg := &tls.Config{}
	if given != nil {
		cfg = given.Clone()
	}
	if cfg.MinVersion == 0 {
		cfg.MinVersion = tls.VersionTLS12
	}
	if cfg.ClientSessionCache == nil {
		cfg.ClientSessionCache = tls.NewLRUClientSessionCache(0)
	}
	return cfg
}

// guard keeps redirects out of private networks. Hosts that the operator named
// (in a request or in AllowHosts) may lie anywhere. What is left are the
// registry's own, which a request for another host may be redirected to: if
// somebody's DNS says that they are here, we do not go.
type guard struct {
	named map[string]*atomic.Bool // the guarded hosts; true: named by a request
}

func newGuard(configured []string) guard {
	g := guard{named: map[string]*atomic.Bool{}}
	for _, host := range registryHosts {
		g.named[host] = new(atomic.Bool)
	}
	for _, host := range configured {
		g.name(host)
	}
	return g
}

// name lifts the guard from a host of a request.
func (g *guard) name(host string) {
	if named, ok := g.named[host]; ok && !named.Load() {
		named.Store(true)
	}
}

// dialer returns a DialContext that looks at the resolved address.
func (g *guard) dialer(timeout time.Duration) func(context.Context, string, string) (net.Conn, error) {
	open := net.Dialer{Timeout: timeout}
	guarded := net.Dialer{Timeout: timeout, Control: refusePrivate}
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		host, _, err := net.SplitHostPort(addr)
		if err != nil {
			return nil, err
		}
		if named, ok := g.named[host]; ok && !named.Load() {
			return guarded.DialContext(ctx, network, addr)
		}
		return open.DialContext(ctx, network, addr)
	}
}

// refusePrivate is a net.Dialer.Control; address is resolved by then.
func refusePrivate(_, address string, _ syscall.RawConn) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("reading the address %q: %w", address, err)
	}
	if !isPublic(ap.Addr()) {
		return &privateAddressError{ap.Addr()}
	}
	return nil
}

type privateAddressError struct{ addr netip.Addr }

func (e *privateAddressError) Error() string {
	return fmt.Sprintf("redirect into a private network (%s) refused; allow the host if that is meant", e.addr)
}

// reserved are ranges beyond those that netip knows by name (RFC 6890).
var reserved = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),
	netip.MustParsePrefix("100.64.0.0/10"), // carrier NAT, also cloud metadata
	netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("198.18.0.0/15"),
	netip.MustParsePrefix("240.0.0.0/4"),
	netip.MustParsePrefix("64:ff9b:1::/48"),
	netip.MustParsePrefix("fec0::/10"),
}

// nat64 carries an IPv4 address in its last four bytes (RFC 6052).
var nat64 = netip.MustParsePrefix("64:ff9b::/96")

func isPublic(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	if nat64.Contains(a) {
		b := a.As16()
		a = netip.AddrFrom4([4]byte(b[12:]))
	}
	if !a.IsGlobalUnicast() || a.IsPrivate() {
		return false
	}
	for _, p := range reserved {
		if p.Contains(a) {
			return false
		}
	}
	return true
}
