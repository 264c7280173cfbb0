package registry

import (
	"net"
	"net/url"
	"os"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/publicurl"
)

// ClientURL returns the root URL for printed lines: the public address if there is one.
func (s *Server) ClientURL(public publicurl.URL) string {
	if !public.IsZero() {
		return public.String()
	}
	u, err := url.Parse(s.URL())
	name, nameErr := os.Hostname()
	if err != nil || nameErr != nil || !s.EveryAddress() {
		return s.URL()
	}
	u.Host = net.JoinHostPort(name, u.Port())
	return u.String()
}

// EveryAddress reports whether the listener listens on all addresses of the machine.
func (s *Server) EveryAddress() bool {
	tcp, ok := s.Addr().(*net.TCPAddr)
	return ok && tcp.IP.IsUnspecified()
}
