package upstream

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

const maxRedirects = 5

// registryHosts are hosts to which crates.io itself may redirect.
var registryHosts = []string{"static.crates.io", "index.crates.io"}

// A RedirectError says that upstream redirected to a forbidden place.
type RedirectError struct {
	Status int
	From   string
	To     string
	Reason string
}

func (e *RedirectError) Error() string {
	return fmt.Sprintf("redirect (%d) from %s to %s refused: %s", e.Status, e.From, e.To, e.Reason)
}

// roundTrip is Transport.RoundTrip with our rules for redirects. proved says that a checksum
// verifies the response.
func (c *Client) roundTrip(req *http.Request, guardFirst, proved bool) (*http.Response, error) {
	first := req.URL
	for hop := 0; ; hop++ {
		var transport http.RoundTripper = c.transport
		switch {
		case req.Close:
			transport = c.fresh
		case proved && c.small.Can(req):
			transport = c.small
		}
		resp, err := transport.RoundTrip(c.guarded(req, first, guardFirst))
		if err != nil || !isRedirect(resp.StatusCode) {
			return resp, err
		}
		// Reading the rest, if it is small, lets the connection be used again.
		_, _ = io.CopyN(io.Discard, resp.Body, evidenceSize)
		_ = resp.Body.Close()
		next, err := c.follow(first, req.URL, resp, hop)
		if err != nil {
			return nil, err
		}
		req = req.Clone(req.Context())
		req.URL, req.Host = next, ""
		if hostPort(next) != hostPort(first) || next.Scheme != first.Scheme {
			req.Header.Del("Authorization")
		}
	}
}

func isRedirect(code int) bool {
	switch code {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther,
		http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return true
	}
	return false
}

// follow returns the URL to which resp redirects, if that is allowed.
func (c *Client) follow(first, from *url.URL, resp *http.Response, hop int) (*url.URL, error) {
	location := resp.Header.Get("Location")
	refuse := func(to, reason string) error {
		return &RedirectError{Status: resp.StatusCode, From: shown(from.Redacted()), To: to, Reason: reason}
	}
	next, err := from.Parse(location)
	if err != nil || location == "" {
		return nil, refuse("(nowhere)", "no usable Location header")
	}
	next.User, next.Fragment = nil, ""
	to := shown(next.Redacted())
	switch {
	case hop >= maxRedirects:
		return nil, refuse(to, fmt.Sprintf("more than %d in a row", maxRedirects))
	case next.Scheme != "https" && (next.Scheme != "http" || first.Scheme != "http"):
		return nil, refuse(to, "want https")
	case !c.allowed.leadsTo(first, next):
		return nil, refuse(to, fmt.Sprintf("%s is neither the host asked nor one that you allowed: if it is meant, -allow-host %[1]s", shown(next.Host)))
	}
	return next, nil
}

// hostSet is a set of "host:port", in lower case.
type hostSet map[string]bool

func parseHosts(hosts []string) (hostSet, error) {
	set := hostSet{}
	for _, host := range hosts {
		if err := CheckHost(host); err != nil {
			return nil, err
		}
		for _, scheme := range []string{"https", "http"} {
			set[hostPort(&url.URL{Scheme: scheme, Host: host})] = true
		}
	}
	return set, nil
}

// CheckHost returns why host cannot be one of Config.AllowHosts, or nil.
func CheckHost(host string) error {
	if u, err := url.Parse("https://" + host); err != nil || u.Host != host || u.Hostname() == "" {
		return fmt.Errorf("allowed host %q is neither \"host\" nor \"host:port\"", host)
	}
	return nil
}

// leadsTo reports whether a request for first may be redirected to next.
func (s hostSet) leadsTo(first, next *url.URL) bool {
	return sameHost(first, next) || s[hostPort(next)]
}

// sameHost reports whether two URLs lead to the same server: to a host at the same port, or
// at the default ports of http and https.
func sameHost(a, b *url.URL) bool {
	if a.Host == b.Host && a.Scheme == b.Scheme {
		return true // nearly always
	}
	return strings.EqualFold(a.Hostname(), b.Hostname()) && a.Port() == "" && b.Port() == "" || hostPort(a) == hostPort(b)
}

// hostPort returns the host in lower case, with the explicit or default port.
func hostPort(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = "443"
		if u.Scheme == "http" {
			port = "80"
		}
	}
	return strings.ToLower(u.Hostname()) + ":" + port
}
