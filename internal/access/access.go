// Package access says who may read a mirror, and how much at a time: tokens, client
// certificates, and limits for each client. It is in front of everything that a server
// answers.
//
// # Who
//
// A client is known by its certificate, if the server asks for them, or by a token in the
// Authorization header: as cargo sends it, after "Bearer", or as the password of "Basic",
// for git and people. Else it is its address, of IPv6 the network of 64 bits; the address
// that a proxy names counts if the proxy is one of those that are trusted. The header is
// removed before a request is passed on: nothing behind can write it anywhere.
//
// Where tokens or certificates are wanted, a client without gets 401, in the way cargo
// expects (cargo book, Registry Index, "Registry authentication").
//
// # How much
//
// Requests and bytes a second, and requests at the same time. Who asks for more waits,
// which costs others nothing; who would wait too long gets 429, not at once either.
package access

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/publicurl"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

// Config of [New].
type Config struct {
	Tokens *File // nil: none are wanted
	// Certificates says that the server asks for those of clients. With Tokens, either
	// is enough.
	Certificates bool
	// LoginURL is where people get a token. If empty, a page of ours that says whom to
	// ask.
	LoginURL  string
	PublicURL publicurl.URL
	Limits    Limits
	// Proxies are those whose word on the address of a client counts.
	Proxies []netip.Prefix
}

// A Handler lets clients in.
type Handler struct {
	cfg     Config
	next    http.Handler
	clients *clients
	refused *prometheus.CounterVec
	clock   func() time.Time
}

// New returns a handler that stands before another one.
func New(cfg Config, next http.Handler) *Handler {
	return &Handler{
		cfg: cfg, next: next, clients: newClients(cfg.Limits), clock: time.Now,
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "clonecratesio_access_refused_total", Help: "Requests refused: without a good token or certificate (unknown), or with too many before them (limit).",
		}, []string{"reason"}),
	}
}

// Metrics are the handler's.
func (h *Handler) Metrics() prometheus.Collector { return h.refused }

// closed reports whether not everybody may ask.
func (h *Handler) closed() bool { return h.cfg.Tokens != nil || h.cfg.Certificates }

// loginPath is of the page that says whom to ask for a token.
const loginPath = "/login"

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	client, known := h.client(r)
	again := r.WithContext(store.ForClient(r.Context(), client))
	if r.Header.Get("Authorization") != "" {
		again.Header = r.Header.Clone()
		again.Header.Del("Authorization")
	}
	if !h.cfg.Limits.none() {
		release, w2, err := h.clients.take(r.Context(), client, w)
		if err != nil {
			h.refused.WithLabelValues("limit").Inc()
			tooMany(w, r, err)
			return
		}
		defer release()
		w = w2
	}
	if h.closed() && !known {
		if h.isLogin(r) {
			h.login(w)
			return
		}
		h.refused.WithLabelValues("unknown").Inc()
		h.unauthorized(w, r)
		return
	}
	h.next.ServeHTTP(w, again)
}

// client names the client of a request, and reports whether it has shown who it is.
func (h *Handler) client(r *http.Request) (name string, known bool) {
	if h.cfg.Certificates && r.TLS != nil && len(r.TLS.VerifiedChains) > 0 {
		subject := r.TLS.PeerCertificates[0].Subject
		return "cert:" + printable(subject.CommonName), true
	}
	if h.cfg.Tokens != nil {
		if token, good := h.cfg.Tokens.Tokens().Find(secretOf(r), h.clock()); good {
			return "token:" + token.Name, true
		}
	}
	return h.address(r), false
}

// printable is a name that others chose, for logs.
func printable(s string) string {
	quoted := strconv.QuoteToASCII(s)
	return quoted[1:min(len(quoted)-1, 1+maxName)]
}

// secretOf is the token of a request, "" for none.
func secretOf(r *http.Request) string {
	header := r.Header.Get("Authorization")
	if _, password, ok := r.BasicAuth(); ok {
		return password
	}
	kind, rest, ok := strings.Cut(header, " ")
	if ok && strings.EqualFold(kind, "Bearer") {
		return strings.TrimSpace(rest)
	}
	return strings.TrimSpace(header)
}

// address is that of the client, or of its network.
func (h *Handler) address(r *http.Request) string {
	at, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	addr := at.Addr().Unmap()
	if !h.trusts(addr) {
		return textOf(addr)
	}
	// The last is who spoke to the proxy, the one before who spoke to that.
	named := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(named) - 1; i >= 0 && h.trusts(addr); i-- {
		before, err := netip.ParseAddr(strings.TrimSpace(named[i]))
		if err != nil {
			break
		}
		addr = before.Unmap()
	}
	return textOf(addr)
}

// textOf names an address, or its network where one client has many.
func textOf(addr netip.Addr) string {
	if addr.Is6() {
		if network, err := addr.WithZone("").Prefix(64); err == nil {
			return network.String()
		}
	}
	return addr.String()
}

func (h *Handler) trusts(addr netip.Addr) bool {
	for _, p := range h.cfg.Proxies {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

// unauthorized answers as cargo wants it: it shows login_url to the person.
func (h *Handler) unauthorized(w http.ResponseWriter, r *http.Request) {
	text := "This mirror wants a token, and there is none with this request that is good now."
	if h.cfg.Tokens == nil {
		text = "This mirror wants a client certificate that its operator's authority has signed."
	} else {
		w.Header().Add("WWW-Authenticate", fmt.Sprintf("Cargo login_url=%q", h.loginURL(r)))
		if strings.Contains(r.Header.Get("Accept"), "text/html") || strings.Contains(r.URL.Path, "/git/") || strings.Contains(r.URL.Path, "/replicate/") {
			w.Header().Add("WWW-Authenticate", `Basic realm="any name, and a token of this mirror as password"`)
		}
	}
	answer(w, r, http.StatusUnauthorized, text)
}

func (h *Handler) loginURL(r *http.Request) string {
	if h.cfg.LoginURL != "" {
		return h.cfg.LoginURL
	}
	return h.cfg.PublicURL.For(r) + loginPath
}

func (h *Handler) isLogin(r *http.Request) bool {
	return r.URL.Path == loginPath || r.URL.Path == h.cfg.PublicURL.Path()+loginPath
}

func (h *Handler) login(w http.ResponseWriter) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	fmt.Fprint(w, "This mirror wants a token. Its operator makes one (clonecratesio token add NAME), and cargo keeps it:\n\n    cargo login --registry NAME-OF-THIS-MIRROR-IN-YOUR-CONFIGURATION\n")
}

// tooMany answers a client that asks for too much. cargo waits as long as Retry-After says.
func tooMany(w http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() != nil {
		return // it went away
	}
	wait := err.(*limitError).wait
	w.Header().Set("Retry-After", strconv.Itoa(max(1, int(wait/time.Second))))
	answer(w, r, http.StatusTooManyRequests, "You ask this mirror for more than it gives to one client. Ask again later.")
}

// answer writes an error: below /api/ as cargo reads it there.
func answer(w http.ResponseWriter, r *http.Request, code int, text string) {
	w.Header().Set("Cache-Control", "no-store")
	if strings.Contains(r.URL.Path, "/api/") {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		fmt.Fprintf(w, `{"errors":[{"detail":%q}]}`, text)
		return
	}
	http.Error(w, text, code)
}

// Follow keeps what was read from files up to date until ctx ends.
func (h *Handler) Follow(ctx context.Context) {
	if h.cfg.Tokens != nil {
		h.cfg.Tokens.Follow(ctx)
	}
}
