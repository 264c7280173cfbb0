package simreg

import (
	"context"
	"fmt"
	"net"
	"net/netip"
)

// LoopbackOnly is a DialContext that reaches this machine and nothing else. It
// refuses before any name is looked up, so not even a resolver hears of it.
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
