// Package registry lets an unmodified cargo build from a mirror: it is cargo's sparse registry
// over HTTP, read-only, directly from loose files or bundles. Package reader says what a
// mirror holds; package pages has the pages for people.
//
// # Paths
//
//	/index/config.json                      where everything else is
//	/index/{1|2|3/a|ab/cd}/{name}           the lines of a crate
//	/crates/{name}/{version}/download       a crate file, as cargo asks for it
//	/crates/{name}/{name}-{version}.crate   the same, as on static.crates.io
//	/api/v1/crates/{name}/{version}/download   the same, as on crates.io
//	/log/checkpoint                         the latest statement of the mirror
//	/log/tile/{level}/{N}[.p/{W}]           the log's tiles (package tilelog)
//	/api/v1/crates?q=                       cargo search
//	/api/v1/crates/{name}                   a crate and its versions
//	/snapshot/{point}/config.json           as below /index/, of a point in the past
//	/snapshot/{point}/{ab/cd}/{name}
//	/crates/{name}/{version}/{sha256}.crate   bytes that a version has or had
//	/replicate/...                          bundles for other mirrors (package peer)
//	/git/...                                the index for git (package gitweb)
//	/policy/{name}/...                      all of the above under one policy
//	/api/v1/snapshots                       the days of the past that are available
//	/api/v1/snapshots/{point}               the commit that belongs to it
//
// A point is a day, YYYY-MM-DD in UTC, or at least 7 digits of the id of a commit of the
// index. A snapshot is a separate registry: it has the lines and yanks of that time, for the
// versions whose bytes are held. Its config.json sends cargo to crate files by checksum, so
// that a version that was published again later has its bytes of that time. [reader.View.At]
// maps a point to a commit.
//
// Everything else is for people and goes to [Config.Pages], including /crates/{name} and
// /crates/{name}/{version}, where crates.io has pages.
//
// cargo (1.95) requests config.json unconditionally in each run, lines with If-None-Match, and
// crate files once. It understands only 404 as "not found", so absence is never answered with
// 403, 410 or 451. It sends the "+" of a version unescaped; "%2B" is the same here.
//
// An index file is public and fresh for a minute, or until the time at which another of its
// lines appears. That of a snapshot is fresh for a day, if its point is past and none of its
// lines is left out.
//
// # Guarantees
//
// A line is served only if its crate file can be served, and byte for byte as upstream wrote
// it. Bytes that do not match the checksum are never sent with status 200: the client gets
// 500, and a metric and a log line report it. The address in config.json is the configured
// one, or that of the socket at which the request arrived; a client cannot change it.
//
// # Limits
//
// Only GET and HEAD, except below /git/. 10 s for the headers of a request, 32 KiB of them;
// 120 s between requests; 30 s for each 64 KiB that a client takes; one range of a crate file
// at a time; 100 streams on an HTTP/2 connection; as many connections as [ServerConfig] says.
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

// Config configures a [Handler]. Only Mirror is required.
type Config struct {
	Mirror Mirror
	// PublicURL is where clients reach the handler. It goes into config.json. Requests may
	// come with its path as a prefix, or from a proxy that has removed the prefix.
	PublicURL publicurl.URL
	// Pages gets every request that is not cargo's, without the path of PublicURL. If nil,
	// the response is 404.
	Pages http.Handler
	// Peers gets every request below /replicate/, without the path of PublicURL. If nil,
	// the response is 404.
	Peers http.Handler
	// Git gets every request below /git/, with any method, without the path of PublicURL.
	// If nil, the response is 404.
	Git http.Handler
	// Feed gets every request for the feed of new versions. If nil, the response is 404.
	Feed http.Handler
	// CacheSize is the maximum size of cached rendered index files, in bytes; a quarter of
	// it is for snapshots. If 0, 64 MiB.
	CacheSize int64
	// Views are separate registries below /policy/{name}/.
	Views []View
	// Gated says that Mirror hides versions, and may change what it hides at any time
	// (package gate): caches keep nothing permanently. Views are always gated.
	Gated bool
	// Private says that access is restricted (package access): shared caches keep nothing.
	Private bool
	// Tokens makes cargo send a token with each request.
	Tokens bool
	// LogDir is the folder of the log of statements (package tilelog). It may not exist
	// yet.
	LogDir string
	// Log receives what an operator must know: damaged crates, failures. If nil, nothing is
	// logged.
	Log *slog.Logger
}

const defaultCacheSize = 64 << 20

// A Handler answers requests of cargo, and of people through its pages.
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
	told      atomic.Bool // the log has said that -public-url is wanted
	views     map[string]*Handler

	keys      string // prefix of each path in the caches, which views share
	cache     *cache
	snapshots *cache             // separate: far more commits exist than fit
	renders   singleflight.Group // by path and generation, so that concurrent requests render a resource once
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
		panic(http.ErrAbortHandler) // the client must not take a partial body for a complete one
	}
}

// tellPanic logs a panic. net/http would log it among failed connections, at a level that
// is not read.
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
		h.git.ServeHTTP(w, r) // which accepts POST, and bodies
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

// endBody prevents a client that sends a body slowly from holding the connection (H1): no
// path here reads a body.
func endBody(w *response) {
	w.Header().Set("Connection", "close")
	// A writer without deadlines belongs to a test.
	_ = http.NewResponseController(w.ResponseWriter).SetReadDeadline(time.Now().Add(time.Second))
}

// target returns what r asks for, and the request for the pages.
//
// A proxy may leave the path of the public URL as a prefix, or remove it, and the request
// does not say which. So the prefix is removed if that gives a path of cargo's. Otherwise
// the path is parsed as it came, and if that fails, it is a page.
func (h *Handler) target(r *http.Request) (target, *http.Request) {
	if h.publicURL.Path() == "" || h.keys != "" { // for a view it is removed already
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

// strip returns r without the path of the public URL, or r itself if it does not have it.
func (h *Handler) strip(r *http.Request) *http.Request { return without(r, h.publicURL.Path()) }

// without returns r without a prefix of its path, or r itself if it does not have it.
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
