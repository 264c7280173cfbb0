// Package access controls who may read a mirror, and how fast: tokens, client certificates
// and limits for each client. Its handler wraps everything that a server serves.
//
// # Who
//
// A client identifies itself by a certificate, if the server asks for one, or by a token in
// the Authorization header: bare, as cargo sends it, after "Bearer", or as the password of
// "Basic", for git and browsers. Any other client is identified by its address; for IPv6,
// by the /64 network. An address that a proxy reports counts only if the proxy is trusted.
// The header is removed before a request is passed on, so nothing behind can log a token.
//
// Where tokens or certificates are required, a client without one gets 401 in the form that
// cargo expects (cargo book, Registry Index, "Registry authentication").
//
// # How much
//
// Limits bound requests per second, bytes per second and concurrent requests. A client over
// its limit waits, at no cost to others; if the wait would be too long, it gets 429 after a
// short pause.
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

// Config configures [New].
type Config struct {
	Tokens *File // if nil, no tokens are required
	// Certificates says that the server asks clients for certificates. With Tokens, either
	// is enough.
	Certificates bool
	// LoginURL is where users get a token. If empty, a page of ours that says whom to ask.
	LoginURL  string
	PublicURL publicurl.URL
	Limits    Limits
	// Proxies are trusted to report the addresses of clients.
	Proxies []netip.Prefix
}

// A Handler authenticates and limits clients.
type Handler struct {
	cfg     Config
	next    http.Handler
	clients *clients
	refused *prometheus.CounterVec
	clock   func() time.Time
}

// New returns a handler that guards next.
func New(cfg Config, next http.Handler) *Handler {
	return &Handler{
		cfg: cfg, next: next, clients: newClients(cfg.Limits), clock: time.Now,
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "clonecratesio_access_refused_total", Help: "Requests refused: without a good token or certificate (unknown), or with too many before them (limit).",
		}, []string{"reason"}),
	}
}

// Metrics returns the handler's metrics.
func (h *Handler) Metrics() prometheus.Collector { return h.refused }

// closed reports whether clients must authenticate.
func (h *Handler) closed() bool { return h.cfg.Tokens != nil || h.cfg.Certificates }

// loginPath is the path of the page that says whom to ask for a token.
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

// client returns a name for the client of a request, and reports whether the client
// authenticated itself.
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

// printable quotes a name from outside for logs.
func printable(s string) string {
	quoted := strconv.QuoteToASCII(s)
	return quoted[1:min(len(quoted)-1, 1+maxName)]
}

// secretOf returns the token of a request, or "".
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

// address returns the address of the client, or of its network.
func (h *Handler) address(r *http.Request) string {
	at, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	addr := at.Addr().Unmap()
	if !h.trusts(addr) {
		return textOf(addr)
	}
	// The last entry is the proxy's peer; each entry before it is the peer of the next.
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

// textOf formats an address, or its network where one client has many addresses.
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

// unauthorized answers 401 in cargo's form: cargo shows login_url to the user.
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

// tooMany answers 429 to a client over its limits. cargo waits as long as Retry-After says.
func tooMany(w http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() != nil {
		return // the client is gone
	}
	wait := err.(*limitError).wait
	w.Header().Set("Retry-After", strconv.Itoa(max(1, int(wait/time.Second))))
	answer(w, r, http.StatusTooManyRequests, "You ask this mirror for more than it gives to one client. Ask again later.")
}

// answer writes an error, below /api/ in the form that cargo reads there.
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

// Follow reloads the token file when it changes, until ctx ends.
func (h *Handler) Follow(ctx context.Context) {
	if h.cfg.Tokens != nil {
		h.cfg.Tokens.Follow(ctx)
	}
}
