package servecli

import (
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/flags"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/publicurl"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/selfsigned"
)

// TLS is the flags of certificates.
type TLS struct {
	Cert, Key  string
	SelfSigned bool

	authority string // that clients must trust; empty: none
}

func (t *TLS) flags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "tls-cert", Usage: "serve HTTPS with the certificate chain in the PEM `FILE`, which is read again when it changes", Destination: &t.Cert, TakesFile: true},
		&cli.StringFlag{Name: "tls-key", Usage: "read its private key from the PEM `FILE`", Destination: &t.Key, TakesFile: true},
		&cli.BoolFlag{Name: "tls-self-signed", Usage: "serve HTTPS with a certificate for the names and addresses of this machine, which is made once and kept in the mirror's folder", Destination: &t.SelfSigned},
	}
}

func (t *TLS) check() error {
	switch {
	case (t.Cert == "") != (t.Key == ""):
		return flags.Usagef("-tls-cert and -tls-key belong together: provide both or neither")
	case t.SelfSigned && t.Cert != "":
		return flags.Usagef("-tls-self-signed and -tls-cert exclude each other: give one of them")
	}
	return nil
}

// on reports whether HTTPS is served.
func (t *TLS) on() bool { return t.Cert != "" || t.SelfSigned }

// tlsDir is the folder of generated certificates, in the state folder.
const tlsDir = "tls"

// prepare makes a certificate, if one is wanted.
func (t *TLS) prepare(state, listen, public string) error {
	if !t.SelfSigned {
		return nil
	}
	dir, err := filepath.Abs(filepath.Join(state, tlsDir))
	if err != nil {
		return err
	}
	names, err := certified(listen, public)
	if err != nil {
		return err
	}
	made, err := selfsigned.In(dir, names, time.Now())
	if err != nil {
		return fmt.Errorf("%w (or give -tls-cert and -tls-key)", err)
	}
	t.Cert, t.Key, t.authority = made.Certificate, made.Key, made.Authority
	return nil
}

// certified returns the names by which clients may reach the listener.
func certified(listen, public string) ([]string, error) {
	names := []string{"localhost", "127.0.0.1", "::1"}
	if u, err := url.Parse(public); err == nil && u.Hostname() != "" {
		names = append(names, u.Hostname())
	}
	host, _, err := net.SplitHostPort(listen)
	if err != nil {
		return names, nil // listening reports the error
	}
	if ip := net.ParseIP(host); host != "" && (ip == nil || !ip.IsUnspecified()) {
		names = append(names, host)
	} else {
		if name, err := os.Hostname(); err == nil {
			names = append(names, name)
		}
		addrs, err := net.InterfaceAddrs()
		if err != nil {
			return nil, fmt.Errorf("asking for the addresses of this machine: %w", err)
		}
		for _, a := range addrs {
			if n, ok := a.(*net.IPNet); ok && !n.IP.IsLinkLocalUnicast() {
				names = append(names, n.IP.String())
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// cargoConfig returns cargo's configuration for the mirror at root.
func (t *TLS) cargoConfig(root string) string {
	config := publicurl.CargoConfig(publicurl.Index(root))
	if t.authority == "" {
		return config
	}
	return config + fmt.Sprintf(`
# this file, copied to where cargo runs: it is public
[http]
cainfo = %s
`, strconv.Quote(t.authority))
}
