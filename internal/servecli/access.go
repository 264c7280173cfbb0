package servecli

import (
	"context"
	"log/slog"
	"math"
	"net/http"
	"net/netip"
	"net/url"

	"github.com/urfave/cli/v3"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/access"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/flags"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/publicurl"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/registry"
)

// Access is the flags of who may read, and how much.
type Access struct {
	Tokens, LoginURL string
	ClientCA         string
	Requests         float64 // of one client, per second
	MiB              int64   // of one client, per second
	Conns            int     // of one address, and concurrent requests of one client
	Proxies          []string
}

func (c *Access) flags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "auth-tokens", Usage: "admit clients that have a token in `FILE` (clonecratesio token add), which is read again when it changes", Destination: &c.Tokens, TakesFile: true},
		&cli.StringFlag{Name: "auth-login-url", Usage: "with -auth-tokens: have cargo send users without a token to `URL`; default: a page of this server that says whom to ask", Destination: &c.LoginURL},
		&cli.StringFlag{Name: "client-ca", Usage: "with -tls-cert: admit clients with a certificate of an authority in the PEM `FILE`; with -auth-tokens, either is enough", Destination: &c.ClientCA, TakesFile: true},
		&cli.FloatFlag{Name: "client-requests", Usage: "answer at most `N` requests a second from one client; others wait; 0 = no limit", Destination: &c.Requests},
		&cli.Int64Flag{Name: "client-mib", Usage: "send one client at most `N` MiB a second; 0 = no limit", Destination: &c.MiB},
		&cli.IntFlag{Name: "client-conns", Usage: "answer at most `N` requests of one client at the same time, and accept at most as many connections from an address that is no -trusted-proxy; 0 = no limit", Destination: &c.Conns},
		&cli.StringSliceFlag{Name: "trusted-proxy", Usage: "take the client's address from X-Forwarded-For of a proxy at `ADDRESS`, such as 10.0.0.5 or 10.0.0.0/8; may be repeated", Destination: &c.Proxies},
	}
}

// maxPerSecond bounds the limits of one client.
const maxPerSecond = 1 << 20

func (c *Access) check(tls bool) error {
	switch {
	case c.LoginURL != "" && c.Tokens == "":
		return flags.Usagef("-auth-login-url is for -auth-tokens")
	case c.ClientCA != "" && !tls:
		return flags.Usagef("-client-ca needs -tls-cert and -tls-key: clients show certificates over TLS alone")
	case math.IsNaN(c.Requests) || c.Requests < 0 || c.Requests > maxPerSecond:
		return flags.Usagef("-client-requests is %v, want 0 (no limit) to %d", c.Requests, maxPerSecond)
	case c.MiB < 0 || c.MiB > maxPerSecond:
		return flags.Usagef("-client-mib is %d, want 0 (no limit) to %d", c.MiB, maxPerSecond)
	case c.Conns < 0 || c.Conns > maxPerSecond:
		return flags.Usagef("-client-conns is %d, want 0 (no limit) to %d", c.Conns, maxPerSecond)
	}
	if u, err := url.Parse(c.LoginURL); err != nil || c.LoginURL != "" && (u.Scheme != "https" && u.Scheme != "http" || u.Host == "") {
		return flags.Usagef("-auth-login-url %q: want http or https and a host", c.LoginURL)
	}
	_, err := c.proxies()
	return err
}

func (c *Access) proxies() (all []netip.Prefix, err error) {
	for _, s := range c.Proxies {
		p, err := netip.ParsePrefix(s)
		if err != nil {
			var addr netip.Addr
			if addr, err = netip.ParseAddr(s); err == nil {
				p, err = addr.Prefix(addr.BitLen())
			}
		}
		if err != nil {
			return nil, flags.Usagef("-trusted-proxy %q: want an address, or a network as 10.0.0.0/8", s)
		}
		all = append(all, p)
	}
	return all, nil
}

// closed reports whether access is restricted.
func (c *Access) closed() bool { return c.Tokens != "" || c.ClientCA != "" }

// listens adds the access flags to the configuration of a server.
func (c *Access) listens(to registry.ServerConfig) registry.ServerConfig {
	to.ClientCA = c.ClientCA
	if len(c.Proxies) == 0 {
		to.ConnsPerAddress = c.Conns
	}
	return to
}

// before puts access control in front of h, and keeps it up to date while m is open.
func (c *Access) before(ctx context.Context, m *servedMirror, h http.Handler, public publicurl.URL, log *slog.Logger) (http.Handler, error) {
	proxies, err := c.proxies()
	if err != nil {
		return nil, err
	}
	cfg := access.Config{
		Certificates: c.ClientCA != "", LoginURL: c.LoginURL, PublicURL: public, Proxies: proxies,
		Limits: access.Limits{Requests: c.Requests, Bytes: c.MiB << 20, AtOnce: c.Conns},
	}
	if c.Tokens != "" {
		if cfg.Tokens, err = access.Open(c.Tokens, log); err != nil {
			return nil, err
		}
	}
	in := access.New(cfg, h)
	m.metrics = append(m.metrics, in.Metrics())
	m.keep(ctx, in.Follow)
	return in, nil
}
