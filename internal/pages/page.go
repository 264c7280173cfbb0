package pages

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"html/template"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"path"
	"reflect"
	"strings"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/human"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/reader"
)

//go:embed templates
var templateFiles embed.FS

// A page is the input of a template.
type page struct {
	Title   string
	About   string // description for pages that link to this one; empty: none
	Query   string // content of the search box
	Feed    string // URL of a feed of new versions; empty: none
	Home    bool   // the page has its own search box
	Refresh bool   // reload regularly if there is no JavaScript
	Data    any

	template string // in templates/, without ".html"
}

// pages has the templates and the assets, and their place on the web.
type pages struct {
	base      string // path prefix of all links, without a final slash
	assets    assets
	templates map[string]*template.Template
}

func newPages(base, version string) *pages {
	p := &pages{base: base, assets: loadAssets(), templates: make(map[string]*template.Template)}
	frame := template.Must(template.New("layout").Funcs(p.funcs(version)).ParseFS(templateFiles, "templates/layout.html", "templates/live.html", "templates/needs.html"))
	for _, name := range []string{"home", "search", "crate", "version", "history", "day", "snapshot", "files", "compare", "used", "missing", "problem"} {
		t := template.Must(frame.Clone())
		p.templates[name] = template.Must(t.ParseFS(templateFiles, "templates/"+name+".html"))
	}
	return p
}

func (p *pages) funcs(version string) template.FuncMap {
	return template.FuncMap{
		"path":     p.path,
		"version":  func() string { return version },
		"asset":    func(name string) string { return p.path("static", p.assets.name(name)) },
		"count":    func(n reflect.Value) string { return human.Count(n.Int()) }, // any kind of int
		"size":     size,
		"duration": human.Span,
		"clip":     clip,
		"base":     path.Base,
		"rowOf":    func(name string, c columns, r row) tableRow { return tableRow{name, c, r} },
		"inc":      func(n int) int { return n + 1 },
	}
}

func escapeQuery(s string) string { return url.QueryEscape(s) }

// path returns the path of one of our pages, escaped for a link.
func (p *pages) path(parts ...string) string {
	var b strings.Builder
	b.WriteString((&url.URL{Path: p.base}).EscapedPath())
	for _, part := range parts {
		b.WriteString("/" + url.PathEscape(part))
	}
	if len(parts) == 0 {
		b.WriteByte('/')
	}
	return b.String()
}

// render writes a page; its template determines the type of Data.
func (p *pages) render(w io.Writer, pg page) error {
	return p.templates[pg.template].ExecuteTemplate(w, "layout", pg)
}

// page makes a handler from a function that returns a page. The page is complete before its
// first byte is sent, so that any error can become a 500.
func (h *Handler) page(f func(*http.Request) (page, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var body bytes.Buffer
		pg, err := f(r)
		if err == nil {
			err = h.pages.render(&body, pg)
		}
		if err != nil {
			h.problem(w, r, err)
			return
		}
		w.Header().Set("Content-Type", htmlType)
		w.Header().Set("Cache-Control", "no-cache") // revalidate
		serveBody(w, r, body.Bytes())
	}
}

const htmlType = "text/html; charset=utf-8"

// serveBody answers 304 to clients that already have the body.
func serveBody(w http.ResponseWriter, r *http.Request, body []byte) {
	w.Header().Set("ETag", `"`+digest(body)+`"`)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
}

// digest returns a short hash, but long enough to distinguish all bodies of a page.
func digest(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:8])
}

// A missing error is a 404 that says what was not found.
type missing struct {
	what    string
	similar []string // names that may have been meant
	past    string   // a crate that existed once
	title   string   // empty: not found
}

func (e *missing) Error() string { return e.what }
func (*missing) Unwrap() error   { return fs.ErrNotExist }

func notFound(*http.Request) (page, error) {
	return page{}, &missing{what: "There is no such page on this server."}
}

// problem answers with an error page.
func (h *Handler) problem(w http.ResponseWriter, r *http.Request, err error) {
	data := problemData{Status: http.StatusInternalServerError, Title: "Something went wrong", Text: "The server could not make this page. Its log says why; trying again may help."}
	if errors.Is(err, reader.ErrBusy) {
		data = problemData{http.StatusServiceUnavailable, "Busy", "Others are reading the past of the index. Ask again in a moment.", nil, ""}
		w.Header().Set("Retry-After", "2")
	} else if errors.Is(err, errUnpacking) {
		data = problemData{http.StatusServiceUnavailable, "This takes too long", "The crate file takes long to unpack, or many are unpacked right now. Ask again in a moment, or download the crate.", nil, ""}
		w.Header().Set("Retry-After", "10")
	} else if miss, ok := errors.AsType[*missing](err); ok {
		data = problemData{http.StatusNotFound, cmp.Or(miss.title, "Not found"), miss.what, miss.similar, miss.past}
	} else if r.Context().Err() == nil { // otherwise the visitor left, or the server ends
		h.cfg.Log.Error("a page could not be made", "path", clip(r.URL.Path, maxText), "err", err)
	}
	var body bytes.Buffer
	if err := h.pages.render(&body, page{template: "problem", Title: data.Title, Data: data}); err != nil {
		http.Error(w, data.Text, data.Status)
		return
	}
	w.Header().Set("Content-Type", htmlType)
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(data.Status)
	_, _ = w.Write(body.Bytes()) // an error is a visitor who left
}

type problemData struct {
	Status      int
	Title, Text string
	Similar     []string // names of similar crates, if one was not found
	Past        string   // the missing crate, if it has a history
}
