// Package pages is the pages of a mirror for people: what it holds, how old that
// is, the run in progress, a search, a page for each crate and each version with its
// README, the files in it and what is different between two of them, what
// a crate was on a day and when it changed, and the lines to paste into cargo's configuration.
// What programs ask for (cargo, its API, /metrics) is package registry.
//
// Pages are made on the server and need no JavaScript; what there is of it
// (static/app.js) adds copy buttons and live numbers. Nothing is loaded from
// anywhere else, and the Content-Security-Policy says so: no script, style or
// attribute of either kind is inline.
//
// # What is not trusted
//
// All text about crates comes from strangers. It is escaped by html/template,
// cut to lengths that a page can bear (limits.go), and never becomes a link but
// through the grammar of names or, for an author's links, a check of the scheme.
// Names in URLs are checked by the same grammar and never become paths of files.
// What is in a crate file is unpacked by package browse, a README made safe by package
// readme. A file by itself is given out as text/plain, or as an image that no browser
// runs, in a sandbox. What the mirror would not give out as a crate file, it does not
// show, either: each such page opens the crate file first, through the gate if there is
// one.
// Our own links begin with [Config.PublicURL], and nothing that a client says of
// our host gets into a page.
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

// A Mirror is what is shown.
type Mirror = reader.Mirror

// Config of [New].
type Config struct {
	Mirror Mirror
	// PublicURL is where visitors find the server. The handler itself gets
	// requests without its path.
	PublicURL publicurl.URL
	// Version is that of the program, for the foot of the page.
	Version string
	// About tells what the author of a version says of it. It may be slow, it may
	// fail, and its text is not trusted. If nil, pages do without.
	About func(context.Context, crate.Key) (About, error)
	// Labels is whether Mirror finds crates by "keyword:X" and "category:X", as package
	// search does.
	Labels bool
	// Files unpacks crate files; several handlers may share it. If nil, it is one of its own.
	Files *browse.Browser
	// Dependants knows who needs which crate. If nil, pages do without.
	Dependants *dependants.Watch
	// Health tells how the mirror is, and may take its time. If nil, pages do not say.
	Health func() Health
	// Log gets the errors that visitors see as "500". If nil, they are dropped.
	Log *slog.Logger
}

// A Handler serves the pages. It watches the mirror's run from [New] to Close.
type Handler struct {
	cfg     Config
	pages   *pages
	live    *live
	readmes *readme.Renderer
	reading chan struct{} // a token for each page that unpacks a crate file
	handler http.Handler

	known  atomic.Pointer[Health] // what Health said last
	asking atomic.Bool            // it is being asked
}

// New makes the handler of all pages: "/", "/search", "/crate/", "/events",
// "/static/" and "/robots.txt". "/crates/", where crates.io has its pages, leads to
// ours; for any other path it answers 404 with a page.
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

// ServeHTTP answers GET and HEAD; what else is asked for gets 405.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	setSecurityHeaders(w.Header())
	if clean := path.Clean(r.URL.Path); clean != r.URL.Path && clean+"/" != r.URL.Path {
		// The mux would redirect to the clean path, but without the prefix.
		h.page(notFound)(w, r)
		return
	}
	h.handler.ServeHTTP(w, r)
}

// ofCratesIO leads from the path of a page of crates.io to ours.
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

// robots keeps search engines out: there is a page for each of two million versions, each
// opens a crate file, and crates.io has them all.
func robots(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	serveBody(w, r, []byte("User-agent: *\nDisallow: /\n"))
}

// Close ends the streams of live numbers, without which a server that shuts down
// in order would wait for the last visitor to leave; see
// [http.Server.RegisterOnShutdown]. Pages are still served afterwards.
func (h *Handler) Close() { h.live.close() }

func setSecurityHeaders(header http.Header) {
	header.Set("Content-Security-Policy", "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'")
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("X-Frame-Options", "DENY") // for browsers that do not know frame-ancestors
}
