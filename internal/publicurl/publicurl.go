// Package publicurl determines where clients reach our server. Only its operator can say
// that: nothing that a client says about it gets into a response (H14).
package publicurl

import (
	"fmt"
	"net"
	"net/http"
	"net/url"
	"path"
	"strings"
)

// A URL is the root URL of a server, such as "https://host/prefix". The zero URL is
// unknown: it stands for the address at which a client's connection arrived.
type URL struct {
	root string // without a final slash
	path string
}

// Parse parses a URL. It ignores slashes at its end; "" gives the zero URL. The path must
// be the same when escaped, so that a request below it can be recognised by its prefix.
func Parse(s string) (URL, error) {
	root := strings.TrimRight(s, "/")
	if s == "" {
		return URL{}, nil
	}
	u, err := url.Parse(root)
	switch {
	case err != nil:
		return URL{}, fmt.Errorf("reading the public URL: %w", err)
	case u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return URL{}, fmt.Errorf("reading the public URL %q: want http or https and a host, as in https://mirror.example/rust", s)
	case u.RawQuery != "" || u.Fragment != "" || u.User != nil || u.ForceQuery:
		return URL{}, fmt.Errorf("reading the public URL %q: want nothing but scheme, host and path", s)
	case u.Path != "" && path.Clean(u.Path) != u.Path || u.EscapedPath() != u.Path || strings.Contains(u.Path, ";"):
		return URL{}, fmt.Errorf("reading the public URL %q: its path is not a plain one", s)
	}
	return URL{root, u.Path}, nil
}

// IsZero reports whether the URL is unknown.
func (u URL) IsZero() bool { return u.root == "" }

// String returns the URL without a final slash.
func (u URL) String() string { return u.root }

// Path returns the path of the URL, as "/prefix" or "".
func (u URL) Path() string { return u.path }

// Below returns the URL of a path below u; the path begins with a slash and is the same
// when escaped. Below the zero URL, only [URL.For] knows it.
func (u URL) Below(path string) URL {
	if !u.IsZero() {
		u.root += path
	}
	u.path += path
	return u
}

// For returns the URL for the client of r, without a final slash.
func (u URL) For(r *http.Request) string {
	if !u.IsZero() {
		return u.root
	}
	reached := url.URL{Scheme: "http", Host: "localhost"}
	if r.TLS != nil {
		reached.Scheme = "https"
	}
	if addr, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok {
		reached.Host = withoutZone(addr.String())
	}
	return reached.String() + u.path
}

// withoutZone removes the zone from a link-local address: it is the name of our interface,
// which means nothing to a client.
func withoutZone(host string) string {
	before, rest, ok := strings.Cut(host, "%")
	if !ok {
		return host
	}
	return before + rest[strings.IndexByte(rest, ']'):]
}

// Index returns cargo's URL of the sparse registry below root.
func Index(root string) string { return "sparse+" + strings.TrimRight(root, "/") + "/index/" }

// CargoConfig returns the configuration with which cargo uses an index in place of
// crates.io: a sparse one ("sparse+https://..."), or a git repository. The sparse one is a
// registry, which unlike a source also supports cargo search and cargo info.
func CargoConfig(index string) string {
	table := "[registries.mirror]\nindex"
	if !strings.HasPrefix(index, "sparse+") {
		table = "[source.mirror]\nregistry"
	}
	return fmt.Sprintf(`# for $CARGO_HOME/config.toml (~/.cargo/config.toml), or .cargo/config.toml of a project
[source.crates-io]
replace-with = "mirror"

%s = %q
`, table, index)
}
