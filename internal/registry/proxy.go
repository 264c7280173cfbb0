package registry

import (
	"cmp"
	"net"
	"net/http"
	"strings"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/publicurl"
)

// wantPublicURL warns the operator, once, that clients cannot use the address in
// config.json: it is the one at which a connection arrived, and this connection came from a
// proxy, or over a link-local address.
func (h *Handler) wantPublicURL(r *http.Request) {
	proxied, linkLocal := isProxied(r.Header), isLinkLocal(r)
	if !proxied && !linkLocal || !h.told.CompareAndSwap(false, true) {
		return
	}
	reason := "a proxy is in front"
	if !proxied {
		reason = "clients connect to a link-local address, which is useless without their own zone"
	}
	h.log.Warn("config.json sends clients to an address that they may not reach: "+reason+"; give the address that they use with -public-url",
		"sent_to", h.publicURL.For(r), "public_url", claimedURL(r))
}

// proxyHeaders are headers that a proxy adds to a request.
var proxyHeaders = []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-Ip", "Via"}

func isProxied(header http.Header) bool {
	for _, name := range proxyHeaders {
		if header.Get(name) != "" {
			return true
		}
	}
	return false
}

func isLinkLocal(r *http.Request) bool {
	addr, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	return ok && addr.IP.IsLinkLocalUnicast() && addr.IP.To4() == nil
}

// claimedURL returns where the client reached us, according to the request. Only the
// operator sees it.
func claimedURL(r *http.Request) string {
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	first := func(name string) string {
		value, _, _ := strings.Cut(r.Header.Get(name), ",")
		return strings.TrimSpace(value)
	}
	claimed := cmp.Or(first("X-Forwarded-Proto"), scheme) + "://" + cmp.Or(first("X-Forwarded-Host"), r.Host) + first("X-Forwarded-Prefix")
	u, err := publicurl.Parse(claimed)
	if err != nil || len(claimed) > 300 || u.IsZero() {
		return "https://the.name.that.clients.use"
	}
	return u.String()
}
