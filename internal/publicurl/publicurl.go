// Package publicurl knows where clients reach a server of ours, which only its
// operator can: nothing that a client says of it gets into an answer (H14).
package publicurl

import (
	"fmt"
	"net"
	"net/http"
	"net/url"
	"path"
	"strings"
)

// A URL is the root of what a server gives out, as "https://host/prefix". The
// zero URL is not known: it is the address at which a client's connection has
// arrived.
type URL struct {
	root string // without a slash at its end
	path string
}

// Parse reads a URL. Slashes at its end do not matter; of "" it makes the zero
// URL. The path must be a plain one, which reads the same escaped, so that a
// request for something below it is known by its beginning.
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

// IsZero reports whether the URL is not known.
func (u URL) IsZero() bool { return u.root == "" }

// String returns the URL without a slash at its end.
func (u URL) String() string { return u.root }

// Path returns the path of the URL, as "/prefix" or "".
func (u URL) Path() string { return u.path }

// Below returns the URL of what is at path, which begins with a slash and reads the same
// escaped, below u. Below the zero URL, [URL.For] alone knows it.
func (u URL) Below(path string) URL {
	if !u.IsZero() {
		u.root += path
	}
	u.path += path
	return u
}

// For returns the URL for the client of r, without a slash at its end.
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

// withoutZone takes the zone out of a link-local address: it is the name of an
// interface of ours, which means nothing to a client.
func withoutZone(host string) string {
	before, rest, ok := strings.Cut(host, "%")
	if !ok {
		return host
	}
	return before + rest[strings.IndexByte(rest, ']'):]
}

// Index is what cargo calls the sparse registry below root.
func Index(root string) string { return "sparse+" + strings.TrimRight(root, "/") + "/index/" }

// CargoConfig is what cargo needs to take an index for crates.io: a sparse one
// ("sparse+https://..."), or a git repository. The sparse one is a registry, which
// unlike a source serves cargo search and cargo info too.
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
