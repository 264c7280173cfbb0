// Package registry lets an unmodified cargo build from a mirror: it is cargo's
// sparse registry over HTTP, read-only, straight from loose files or bundles. What a
// mirror holds, it asks package reader; what people look at is package pages.
//
// # What is served
//
//	/index/config.json                      where everything else is
//	/index/{1|2|3/a|ab/cd}/{name}           the lines of a crate
//	/crates/{name}/{version}/download       a crate file, as cargo asks for it
//	/crates/{name}/{name}-{version}.crate   the same, as on static.crates.io
//	/api/v1/crates/{name}/{version}/download   the same, as on crates.io
//	/log/checkpoint                         the last statement of the mirror
//	/log/tile/{level}/{N}[.p/{W}]           what it is about (package tilelog)
//	/api/v1/crates?q=                       cargo search
//	/api/v1/crates/{name}                   a crate and its versions
//	/snapshot/{point}/config.json           as below /index/, of a point in the past
//	/snapshot/{point}/{ab/cd}/{name}
//	/crates/{name}/{version}/{sha256}.crate   bytes that a version has or had
//	/replicate/...                          bundles for other mirrors (package peer)
//	/git/...                                the index for git (package gitweb)
//	/policy/{name}/...                      all of the above as one policy shows it
//	/api/v1/snapshots                       the days of the past that are kept
//	/api/v1/snapshots/{point}               the commit that is served for it
//
// A point is a day, YYYY-MM-DD in UTC, or the id of a commit of the index, 7 digits
// of it at least. A snapshot is a registry of its own: the lines and yanks of then,
// of those versions whose bytes are held, and its config.json sends cargo to crate
// files by their checksum, so that a version that was published again since has the
// bytes of then. [reader.View.At] says which commit a point leads to.
//
// Everything else is for people and goes to [Config.Pages], /crates/{name} and
// /crates/{name}/{version} too, where crates.io has pages.
//
// cargo (1.95) gets config.json without condition in each run, the lines with
// If-None-Match, and crate files once. It takes 404 alone for "there is no such
// thing", so that is never answered with 403, 410 or 451. It sends a "+" of a
// version as it is; "%2B" is the same here.
//
// An index file is public and fresh for a minute, or until the time at which a line of
// it appears. One of a snapshot is for a day,
// if the point is over and none of its lines is left out.
//
// # What may be relied on
//
// A line is served only if its crate file can be, byte for byte as upstream
// wrote it. Bytes that are not those of the checksum are never sent with status
// 200: it is 500, a metric and a line in the log. The address in config.json is
// the configured one, or that of the socket at which the request arrived, and
// nothing that a client says can change it.
//
// # Limits
//
// Only GET and HEAD, but below /git/. 10 s for the headers of a request, 32 KiB of them; 120 s
// between requests; 30 s for each 64 KiB that a client takes; one range of a
// crate file at a time; 100 streams on an HTTP/2 connection; as many
// connections as [ServerConfig] says.
package registry

import (
	"cmp"
	"log/slog"
	"net/http"
	"net/url"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/singleflight"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/publicurl"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/reader"
)

// A Mirror is what is served.
type Mirror = reader.Mirror

// Config of a [Handler]. Mirror alone must be given.
type Config struct {
	Mirror Mirror
	// PublicURL is where clients reach the handler. It goes into config.json.
	// Requests may come with its path in front, or from a proxy that has taken
	// that away.
	PublicURL publicurl.URL
	// Pages gets every request that is not cargo's, the path of PublicURL taken
	// away. If nil, they are answered 404.
	Pages http.Handler
	// Peers gets every request below /replicate/, the path of PublicURL taken away. If
	// nil, there is nothing.
	Peers http.Handler
	// Git gets every request below /git/, whatever its method, the path of PublicURL
	// taken away. If nil, there is nothing.
	Git http.Handler
	// Feed gets every request for the feed of new versions. If nil, there is nothing.
	Feed http.Handler
	// CacheSize is how many bytes of rendered index files are kept, a quarter of it
	// for snapshots. If 0, 64 MiB.
	CacheSize int64
	// Views are registries of their own below /policy/{name}/.
	Views []View
	// Gated says that what Mirror shows is less than it has, and may change at any time
	// (package gate): caches keep nothing permanently. Views are gated in any case.
	Gated bool
	// Private says that not everybody may ask (package access): caches keep nothing that
	// others share.
	Private bool
	// Tokens says that cargo is to send a token with each request.
	Tokens bool
	// LogDir is the folder of the log of statements (package tilelog). There may be
	// none yet.
	LogDir string
	// Log gets what an operator must know: damaged crates, failures. If nil,
	// nothing is logged.
	Log *slog.Logger
}

const defaultCacheSize = 64 << 20

// A Handler answers cargo, and people through its pages.
type Handler struct {
	mirror    Mirror
	pages     http.Handler // may be nil
	peers     http.Handler // may be nil
	git       http.Handler // may be nil
	feed      http.Handler // may be nil
	publicURL publicurl.URL
	logDir    string
	log       *slog.Logger
	metrics   *metrics
	kept      kept
	tokens    bool
	clock     func() time.Time
	told      atomic.Bool // the log says that -public-url is wanted
	views     map[string]*Handler

	keys      string // before each path in the caches, which views share
	cache     *cache
	snapshots *cache             // apart: there are far more commits than fit
	renders   singleflight.Group // by path and generation: what many ask for is rendered once
}

// New returns a handler.
func New(cfg Config) *Handler {
	size := cmp.Or(cfg.CacheSize, defaultCacheSize)
	h := &Handler{
		mirror: cfg.Mirror, pages: cfg.Pages, peers: cfg.Peers, git: cfg.Git, feed: cfg.Feed, log: cfg.Log, metrics: newMetrics(cfg.Mirror),
		publicURL: cfg.PublicURL, logDir: cfg.LogDir, cache: newCache(size - size/4), snapshots: newCache(size / 4),
		kept: newKept(cfg.Gated, cfg.Private), tokens: cfg.Tokens, clock: time.Now,
	}
	if h.log == nil {
		h.log = slog.New(slog.DiscardHandler)
	}
	h.addViews(cfg)
	return h
}

// Metrics returns the handler's metrics.
func (h *Handler) Metrics() prometheus.Collector { return h.metrics }

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	if view, inside := h.viewOf(r); view != nil {
		view.ServeHTTP(rw, inside)
		return
	}
	start := time.Now()
	w := &response{ResponseWriter: rw, conn: connOf(r), extended: start}
	t, r := h.target(r)
	h.metrics.inflight.Inc()
	defer h.metrics.inflight.Dec()
	defer h.tellPanic(r)
	told := true
	if err := h.answer(w, r, t); err != nil {
		told = h.fail(w, r, t, err)
	}
	took := time.Since(start)
	h.metrics.request(t.route, w.code, w.bytes, took)
	if h.log.Enabled(r.Context(), slog.LevelDebug) {
		h.log.Debug("request", "client", r.RemoteAddr, "method", r.Method, "path", r.URL.Path, "status", w.code, "bytes", w.bytes, "took", took)
	}
	if !told {
		panic(http.ErrAbortHandler) // the client must not take what it has for all there is
	}
}

// tellPanic logs a panic, which net/http does at a level where nothing is read, among
// the failures of connections.
func (h *Handler) tellPanic(r *http.Request) {
	p := recover()
	switch p {
	case nil:
		return
	case http.ErrAbortHandler:
	default:
		h.log.Error("this is a bug of ours, please report it: a request panicked", "path", r.URL.Path, "panic", p, "stack", string(debug.Stack()))
	}
	panic(http.ErrAbortHandler)
}

func (h *Handler) answer(w *response, r *http.Request, t target) error {
	if t.route == routeGit && h.git != nil {
		h.git.ServeHTTP(w, r) // which takes POST, and bodies
		return nil
	}
	if r.ContentLength != 0 {
		endBody(w)
	}
	switch {
	case r.Method == http.MethodGet || r.Method == http.MethodHead:
	case t.api:
		return errWrite
	default:
		return errMethod
	}
	if r.ContentLength != 0 {
		return errBody
	}
	switch t.route {
	case routePage:
		if h.pages == nil {
			return errNoPages
		}
		h.pages.ServeHTTP(w, r)
		return nil
	case routePeers:
		if h.peers == nil {
			return errNoSuchPath
		}
		h.peers.ServeHTTP(w, r)
		return nil
	case routeFeed:
		if h.feed == nil {
			return errNoSuchPath
		}
		h.feed.ServeHTTP(w, r)
		return nil
	case routeConfig:
		return h.config(w, r)
	case routeIndex:
		return h.index(w, r, t.name)
	case routeSnapshot:
		return h.snapshot(w, r, t)
	case routePoints:
		return h.points(w, r, t.point)
	case routeCrate:
		return h.crate(w, r, t)
	case routeLog:
		return h.statements(w, r, t.file)
	case routeSearch:
		return h.search(w, r)
	case routeAPI:
		return h.about(w, r, t.name)
	default:
		if t.api {
			return errNoSuchAPI
		}
		return errNoSuchPath
	}
}

// endBody sees to it that a client that sends a body slowly does not hold the
// connection (H1): nothing here takes one.
func endBody(w *response) {
	w.Header().Set("Connection", "close")
	// A writer without deadlines is a test's.
	_ = http.NewResponseController(w.ResponseWriter).SetReadDeadline(time.Now().Add(time.Second))
}

// target finds out what r asks for. The request that it returns is the one for
// the pages.
//
// A proxy may leave the path of the public URL in front, or take it away; what
// comes cannot say which. So it is taken away where that gives something of
// cargo's; else the path is read as it came; else it is a page.
func (h *Handler) target(r *http.Request) (target, *http.Request) {
	if h.publicURL.Path() == "" || h.keys != "" { // of a view it is taken away already
		return parse(r.URL), r
	}
	stripped := h.strip(r)
	inside := parse(stripped.URL)
	if stripped == r || inside.isCargo() {
		return inside, stripped
	}
	if asItCame := parse(r.URL); asItCame.isCargo() {
		return asItCame, r
	}
	return inside, stripped
}

func (t target) isCargo() bool { return t.route != routePage && t.route != routeNone }

// strip returns r without the path of the public URL, or r itself if it has
// come without.
func (h *Handler) strip(r *http.Request) *http.Request { return without(r, h.publicURL.Path()) }

// without returns r without a prefix of its path, or r itself if it has come without.
func without(r *http.Request, prefix string) *http.Request {
	path, ok := strings.CutPrefix(r.URL.Path, prefix)
	if !ok || path != "" && path[0] != '/' {
		return r
	}
	again := new(http.Request)
	*again = *r
	again.URL = new(url.URL)
	*again.URL = *r.URL
	again.URL.Path = path
	if path == "" {
		again.URL.Path = "/"
	}
	again.URL.RawPath = strings.TrimPrefix(r.URL.RawPath, prefix)
	return again
}
