package serve

import (
	"fmt"
	"net"
	"net/http"
	"net/url"
	"path"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// IndexURL is what cargo calls the registry whose root is at publicURL.
func IndexURL(publicURL string) string {
	return "sparse+" + strings.TrimRight(publicURL, "/") + "/index/"
}

// ParsePublicURL reads a [Config.PublicURL]. Slashes at the end do not matter.
func ParsePublicURL(s string) (*url.URL, error) {
	u, err := url.Parse(strings.TrimRight(s, "/"))
	switch {
	case err != nil:
		return nil, fmt.Errorf("reading the public URL: %w", err)
	case u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return nil, fmt.Errorf("reading the public URL %q: want http or https and a host, as in https://mirror.example/rust", s)
	case u.RawQuery != "" || u.Fragment != "" || u.User != nil || u.ForceQuery:
		return nil, fmt.Errorf("reading the public URL %q: want nothing but scheme, host and path", s)
	case u.RawPath != "" || u.Path != "" && (path.Clean(u.Path) != u.Path || hostile(u.Path)):
		return nil, fmt.Errorf("reading the public URL %q: its path is not a plain one", s)
	}
	return u, nil
}

// registryConfig is config.json (cargo book, Index Format, "Index
// Configuration"). cargo adds /{crate}/{version}/download to DL.
type registryConfig struct {
	DL  string `json:"dl"`
	API string `json:"api"`
}

// config answers for config.json.
func (h *Handler) config(w *response, r *http.Request) error {
	base := h.baseURL(r)
	kept := h.cache.get(base) // no index path looks like a URL
	if kept == nil {
		body, err := json.Marshal(registryConfig{base + "/crates", base}, jsontext.Multiline(true))
		if err != nil {
			return fmt.Errorf("writing config.json: %w", err)
		}
		kept = render(base, "application/json", append(body, '\n'), 0)
		h.cache.put(kept)
	}
	return kept.write(w, r)
}

// baseURL is where the client of r reaches us. Nothing that the client sent has
// a say in it (H14).
func (h *Handler) baseURL(r *http.Request) string {
	if h.publicURL != "" {
		return h.publicURL
	}
	u := url.URL{Scheme: "http", Host: "localhost"}
	if r.TLS != nil {
		u.Scheme = "https"
	}
	if addr, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok {
		u.Host = addr.String()
	}
	return u.String()
}
