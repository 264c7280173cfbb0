package index

import (
	"context"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
)

// transportURL returns a URL in the form in which git uses one of the transports
// that we know. Of a plain path git would copy files, whatever the depth.
func transportURL(url string) (string, error) {
	if filepath.IsAbs(url) {
		path := strings.ReplaceAll(filepath.ToSlash(url), "%", "%25") // git reads escapes in URLs
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

// transport returns which of git's transports a URL uses; "none" if it is one
// that runs programs (ext::), or no URL.
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

// sameRepository reports whether two URLs lead to the same repository, whatever
// the transport and the user.
func sameRepository(a, b string) bool { return place(a) == place(b) }

// place is the host and path of a URL as git takes it.
func place(address string) string {
	address, err := transportURL(address)
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

func withoutPassword(address string) string {
	if u, err := url.Parse(address); err == nil {
		return u.Redacted()
	}
	return address
}

// readRemotes returns the URLs of a repository's remotes.
func readRemotes(ctx context.Context, work *porcelain) (map[string]string, error) {
	out, err := optional(work.git(ctx, "config", "--local", "-z", "--get-regexp", `^remote\..*\.url$`))
	if err != nil {
		return nil, err
	}
	remotes := map[string]string{}
	for pair := range strings.SplitSeq(out, "\x00") {
		key, url, _ := strings.Cut(pair, "\n")
		name := strings.TrimSuffix(strings.TrimPrefix(key, "remote."), ".url")
		if _, found := remotes[name]; !found && name != "" {
			remotes[name] = url
		}
	}
	return remotes, nil
}
