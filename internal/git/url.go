package git

import (
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
)

// TransportURL returns a URL in the form that makes git use one of the transports that we
// know. For a plain path, git would copy files and ignore the depth.
func TransportURL(url string) (string, error) {
	if filepath.IsAbs(url) {
		path := strings.ReplaceAll(filepath.ToSlash(url), "%", "%25") // git decodes escapes in URLs
		if !strings.HasPrefix(path, "/") {                            // Windows: C:/...
			path = "/" + path
		}
		return "file://" + path, nil
	}
	if transport(url) == "none" {
		return "", fmt.Errorf("%q is not a URL to fetch an index from: want https, http, ssh, git or file, or an absolute path", url)
	}
	return url, nil
}

// transport returns the git transport of a URL, or "none" if it is one that runs programs
// (ext::), or not a URL.
func transport(url string) string {
	scheme, _, found := strings.Cut(url, "://")
	switch {
	case found && (scheme == "https" || scheme == "http" || scheme == "ssh" || scheme == "git" || scheme == "file"):
		return scheme
	case found || strings.HasPrefix(url, "-") || strings.Contains(url, "::"):
		return "none"
	}
	if host, _, colon := strings.Cut(url, ":"); colon && host != "" && !strings.ContainsAny(host, "/ ") {
		return "ssh" // user@host:path
	}
	return "none"
}

// SameRepository reports whether two URLs lead to the same repository, ignoring transport
// and user.
func SameRepository(a, b string) bool { return place(a) == place(b) }

// place returns the host and path of a URL as git interprets it.
func place(address string) string {
	address, err := TransportURL(address)
	if err != nil {
		return address
	}
	if !strings.Contains(address, "://") { // user@host:path
		address = "ssh://" + strings.Replace(address, ":", "/", 1)
	}
	u, err := url.Parse(address)
	if err != nil {
		return address
	}
	return strings.ToLower(u.Host) + "/" + strings.TrimSuffix(strings.Trim(u.Path, "/"), ".git")
}

// WithoutPassword returns a URL without its password.
func WithoutPassword(address string) string {
	if u, err := url.Parse(address); err == nil {
		return u.Redacted()
	}
	return address
}
