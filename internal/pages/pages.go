// Package pages serves the pages of a mirror for people: what it holds and how old that is,
// the current run, a search, and lines to paste into cargo's configuration. Each crate and
// version has a page with its README, its files, the differences between two versions, and its
// history by day. Package registry serves programs (cargo, its API, /metrics).
//
// Pages are made on the server and need no JavaScript; static/app.js only adds copy buttons
// and live numbers. Nothing is loaded from elsewhere, and the Content-Security-Policy forbids
// it: no script, style, or attribute of either kind is inline.
//
// # Trust
//
// All text about crates comes from strangers. It is escaped by html/template and cut to
// bounded lengths (limits.go). It becomes a link only if it follows the grammar of names or,
// for an author's links, after a check of the scheme. Names in URLs are checked by the same
// grammar and never become file paths. Package browse unpacks crate files, and package readme
// sanitizes READMEs. A single file is sent as text/plain, or as an image without active
// content, in a sandbox. If the mirror would not serve a crate file, the pages do not show its
// content, either: each such page opens the crate file first, through the gate if there is
// one. Our links begin with [Config.PublicURL], and nothing that a client says about our host
// gets into a page.
package pages

import (
	"context"
	"log/slog"
	"net/http"
	"path"
	"sync/atomic"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/browse"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/dependants"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/publicurl"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/reader"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/readme"
)

// A Mirror is the mirror to show.
type Mirror = reader.Mirror

// Config configures [New].
type Config struct {
	Mirror Mirror
	// PublicURL is where visitors reach the server. The handler gets requests without its
	// path.
	PublicURL publicurl.URL
	// Version is the version of the program, for the footer.
	Version string
	// About returns what the author of a version says about it. It may be slow, it may
	// fail, and its text is untrusted. If nil, pages do without.
	About func(context.Context, crate.Key) (About, error)
	// Foreign says that the crates are another registry's: docs.rs has nothing about them.
	Foreign bool
	// Labels says that Mirror finds crates by "keyword:X" and "category:X", as package
	// search does.
	Labels bool
	// Files unpacks crate files; several handlers may share it. If nil, the handler makes its
	// own.
	Files *browse.Browser
	// Dependants knows which crates need which. If nil, pages do without.
	Dependants *dependants.Watch
	// Health returns the condition of the mirror, and may be slow. If nil, pages do
	// without.
	Health func() Health
	// Log receives the errors that visitors see as "500". If nil, nothing is logged.
	Log *slog.Logger
}

// A Handler serves the pages. It watches the mirror's run from [New] to Close.
type Handler struct {
	cfg     Config
	pages   *pages
	live    *live
	readmes *readme.Renderer
	reading chan struct{} // one token for each page that unpacks a crate file
	handler http.Handler

	known  atomic.Pointer[Health] // the last result of Health
	asking atomic.Bool            // Health is running
}

// New makes the handler of all pages: "/", "/search", "/crate/", "/events", "/static/" and
// "/robots.txt". "/crates/", where crates.io has its pages, redirects to ours; for any
// other path it answers 404 with a page.
func New(cfg Config) *Handler {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Files == nil {
		cfg.Files = browse.New()
	}
	h := &Handler{cfg: cfg, pages: newPages(cfg.PublicURL.Path(), cfg.Version), readmes: readme.NewRenderer(), reading: make(chan struct{}, maxReading)}
	h.live = newLive(cfg.Mirror, h.pages)
	h.handler = h.routes()
	return h
}

func (h *Handler) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", h.page(h.home))
	mux.HandleFunc("GET /missing", h.page(h.lacking))
	mux.HandleFunc("GET /search", h.page(h.search))
	mux.HandleFunc("GET /crate/{name}", h.page(h.crate))
	mux.HandleFunc("GET /crate/{name}/used-by", h.page(h.used))
	mux.HandleFunc("GET /crate/{name}/feed.atom", h.feed)
	mux.HandleFunc("GET /crate/{name}/history", h.page(h.history))
	mux.HandleFunc("GET /crate/{name}/at", h.page(h.day))
	mux.HandleFunc("GET /crate/{name}/{version}", h.page(h.version))
	mux.HandleFunc("GET /crate/{name}/{version}/files", h.withFiles(h.page(h.files)))
	mux.HandleFunc("GET /crate/{name}/{version}/files/{path...}", h.withFiles(h.page(h.files)))
	mux.HandleFunc("GET /crate/{name}/{version}/raw/{path...}", h.withFiles(h.raw))
	mux.HandleFunc("GET /crate/{name}/{version}/image/{path...}", h.withFiles(h.image))
	mux.HandleFunc("GET /crate/{name}/{version}/diff", h.withFiles(h.page(h.compare)))
	mux.HandleFunc("GET /snapshot/{point}", h.page(h.snapshot))
	mux.HandleFunc("GET /snapshot/{point}/{$}", h.page(h.snapshot))
	mux.HandleFunc("GET /crates/{name}", h.ofCratesIO)
	mux.HandleFunc("GET /crates/{name}/{version}", h.ofCratesIO)
	mux.HandleFunc("GET /robots.txt", robots)
	mux.HandleFunc("GET /opensearch.xml", h.openSearch)
	mux.HandleFunc("GET /events", h.live.serve)
	mux.HandleFunc("GET /static/{name}", h.static)
	mux.HandleFunc("GET /", h.page(notFound))
	return mux
}

// ServeHTTP answers GET and HEAD, and other methods with 405.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	setSecurityHeaders(w.Header())
	if clean := path.Clean(r.URL.Path); clean != r.URL.Path && clean+"/" != r.URL.Path {
		// The mux would redirect to the clean path, but without the prefix.
		h.page(notFound)(w, r)
		return
	}
	h.handler.ServeHTTP(w, r)
}

// ofCratesIO redirects from the path of a page of crates.io to ours.
func (h *Handler) ofCratesIO(w http.ResponseWriter, r *http.Request) {
	id := crate.ID{Name: r.PathValue("name"), Version: r.PathValue("version")}
	if checkID(id) != nil {
		h.page(notFound)(w, r)
		return
	}
	parts := []string{"crate", id.Name}
	if id.Version != "" {
		parts = append(parts, id.Version)
	}
	http.Redirect(w, r, h.pages.path(parts...), http.StatusMovedPermanently)
}

// robots excludes search engines: there is a page for each of two million versions, each
// opens a crate file, and crates.io has them all.
func robots(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	serveBody(w, r, []byte("User-agent: *\nDisallow: /\n"))
}

// Close ends the streams of live numbers; otherwise a graceful shutdown would wait for the
// last visitor to leave; see [http.Server.RegisterOnShutdown]. Pages are still served
// afterwards.
func (h *Handler) Close() { h.live.close() }

func setSecurityHeaders(header http.Header) {
	header.Set("Content-Security-Policy", "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'")
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("X-Frame-Options", "DENY") // for browsers that do not support frame-ancestors
}
