package upstream

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"syscall"
	"time"
)

// Hosts that the operator named (in a URL or in Config.AllowHosts) may have any address.
// Other hosts must have a public one: the registry's hosts, to which requests for another
// host may be redirected, and the host of a Request.Guarded. If DNS puts them into a
// private network, the client refuses to connect.

// guardKey marks the context of a connection that is guarded.
type guardKey struct{}

// guarded returns req, with a mark if its connection must not lead into a private network.
// A connection to a proxy may, because the operator named the proxy.
func (c *Client) guarded(req *http.Request, first *url.URL, guardFirst bool) *http.Request {
	named := !guardFirst && sameHost(req.URL, first) || len(c.named) > 0 && c.named[hostPort(req.URL)]
	if named || c.cfg.Dial != nil {
		return req
	}
	if proxy, err := c.transport.Proxy(req); proxy != nil || err != nil {
		return req // the transport reports the error
	}
	return req.WithContext(context.WithValue(req.Context(), guardKey{}, true))
}

// dialer returns a DialContext that checks the resolved address of guarded connections.
func dialer(timeout time.Duration) func(context.Context, string, string) (net.Conn, error) {
	open := net.Dialer{Timeout: timeout}
	guarded := net.Dialer{Timeout: timeout, Control: refusePrivate}
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		if ctx.Value(guardKey{}) != nil {
			return guarded.DialContext(ctx, network, addr)
		}
		return open.DialContext(ctx, network, addr)
	}
}

// refusePrivate is a net.Dialer.Control, which sees the resolved address.
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
	return fmt.Sprintf("refused a connection to the private address %s of a host that you did not name: if it may be there, -allow-host HOST", e.addr)
}

// reserved are reserved ranges for which netip has no predicate (RFC 6890).
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
