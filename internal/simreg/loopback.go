package simreg

import (
	"context"
	"fmt"
	"net"
	"net/netip"
)

// LoopbackOnly is a DialContext that only reaches this machine. It refuses other names
// before they are looked up, so that not even a resolver sees them.
func LoopbackOnly(ctx context.Context, network, addr string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("dialling %s: %w", addr, err)
	}
	if host == "localhost" {
		host = "127.0.0.1"
	}
	ip, err := netip.ParseAddr(host)
	if err != nil || !ip.Unmap().IsLoopback() {
		return nil, fmt.Errorf("dialling %s: tests and the demo reach no other machine; use the address of a simulated registry", addr)
	}
	var d net.Dialer
	return d.DialContext(ctx, network, net.JoinHostPort(host, port))
}
