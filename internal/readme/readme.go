// Package readme renders the README of a crate, which is untrusted, as HTML.
//
// goldmark renders Markdown with GitHub's extensions (tables, strikethrough, task lists,
// autolinks). The resulting HTML is parsed as in a browser, so that unbalanced tags cannot break
// out of their place in the page. Then bluemonday allows only elements and attributes that format
// text: no scripts, styles, forms, frames, and no classes or ids except ours.
//
//   - Links lead to http, https, mailto, a heading of the README, or a file of the crate.
//   - Images are shown if they are files of the crate. An image from elsewhere is
//     replaced by its description.
//   - Headings move down one level, because the page has its own.
//
// # Limits
//
// Rendering cannot be interrupted, and for some Markdown its time is quadratic, so [MaxSize] is
// small: longer text is cut at the end of a line. Text nested deeper than maxNested, tables with
// more than maxCells cells, and more than maxLinks links are rejected before rendering
// ([ErrHostile]). The result has at most maxHTML bytes and is at most maxDepth elements deep. A
// [Renderer] waits for a bounded time, and bounds the number of abandoned renderings.
package readme

import (
	"bytes"
	"errors"
	"html/template"
	"net/url"
	"path"
	"regexp"
	"strings"
	"sync"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/parser"
	gmhtml "github.com/yuin/goldmark/renderer/html"
	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

const (
	// MaxSize is the number of bytes of a README that are rendered. 99 of 100 are shorter.
	MaxSize = 64 << 10

	maxHTML   = 1 << 20
	maxNested = 40
	maxCells  = 50_000
	maxLinks  = 4_000
	maxDepth  = 100
	maxURL    = 2000 // length of a link, bytes
)

// ErrHostile means that no person would write such a README.
var ErrHostile = errors.New("the README cannot be rendered: it is nested too deep, or becomes too large")

// Links say where files of the crate are.
type Links struct {
	Path string // of the README in the crate
	// File returns the URL of the page of a file or folder, or "" if there is none.
	File func(path string) string
	// Image returns the URL of a file as an image, or "" if it is not one.
	Image func(path string) string
}

var markdown = sync.OnceValue(func() goldmark.Markdown {
	return goldmark.New(
		goldmark.WithExtensions(extension.GFM),
		goldmark.WithParserOptions(parser.WithAutoHeadingID()),
		goldmark.WithRendererOptions(gmhtml.WithUnsafe()), // it is sanitized below
	)
})

// IsMarkdown reports whether a README with that name is rendered; others are shown as text.
func IsMarkdown(name string) bool {
	switch strings.ToLower(path.Ext(name)) {
	case ".md", ".markdown", ".mdown", ".mkdn":
		return true
	}
	return false
}

// Render renders a README as HTML.
func Render(text []byte, links Links) (template.HTML, error) {
	text = cut(text)
	if nested(text) > maxNested || cells(text) > maxCells || bytes.Count(text, []byte("](")) > maxLinks {
		return "", ErrHostile
	}
	var rendered capped
	if err := markdown().Convert(text, &rendered); err != nil {
		return "", err
	}
	frame := &html.Node{Type: html.ElementNode, DataAtom: atom.Div, Data: "div"}
	nodes, err := html.ParseFragment(&rendered.Buffer, frame)
	if err != nil {
		return "", ErrHostile // more than 512 elements deep
	}
	for _, n := range nodes {
		frame.AppendChild(n)
	}
	links.children(frame, 0)
	var safe bytes.Buffer
	for n := range frame.ChildNodes() {
		if err := html.Render(&safe, n); err != nil {
			return "", err
		}
	}
	return template.HTML(policy().SanitizeBytes(safe.Bytes())), nil
}

// cut returns the lines that are rendered.
func cut(text []byte) []byte {
	if len(text) <= MaxSize {
		return text
	}
	text = text[:MaxSize]
	return text[:bytes.LastIndexByte(text, '\n')+1]
}

// markers matches what begins quotes and lists.
var markers = regexp.MustCompile(`^(?:[ \t]*(?:>|[-*+][ \t]|[0-9]{1,9}[.)][ \t]))+`)

// nested returns the maximum number of quotes and lists that begin in one line.
func nested(text []byte) (deepest int) {
	for line := range bytes.Lines(text) {
		prefix := markers.Find(line)
		deepest = max(deepest, len(bytes.Join(bytes.Fields(bytes.ReplaceAll(prefix, []byte(">"), []byte("> "))), nil)))
	}
	return deepest
}

// cells returns the number of cells of a table of all lines, each as wide as the widest.
func cells(text []byte) int {
	widest, lines := 0, 0
	for line := range bytes.Lines(text) {
		widest, lines = max(widest, bytes.Count(line, []byte("|"))), lines+1
	}
	return widest * lines
}

// capped fails if the output becomes too large.
type capped struct{ bytes.Buffer }

func (c *capped) Write(p []byte) (int, error) {
	if c.Len()+len(p) > maxHTML {
		return 0, ErrHostile
	}
	return c.Buffer.Write(p)
}

// children changes the children of n, at a depth.
func (l *Links) children(n *html.Node, depth int) {
	for c := n.FirstChild; c != nil; {
		next := c.NextSibling
		switch {
		case c.Type == html.ElementNode && (depth >= maxDepth || c.Namespace != ""): // SVG, MathML
			n.RemoveChild(c)
		case c.Type == html.ElementNode:
			l.element(c)
			l.children(c, depth+1)
		}
		c = next
	}
}

// lower maps a heading to the next lower level.
var lower = map[atom.Atom]atom.Atom{
	atom.H1: atom.H2, atom.H2: atom.H3, atom.H3: atom.H4, atom.H4: atom.H5, atom.H5: atom.H6, atom.H6: atom.H6,
}

func (l *Links) element(n *html.Node) {
	if to, ok := lower[n.DataAtom]; ok {
		n.DataAtom, n.Data = to, to.String()
		if id := attr(n, "id"); id != "" {
			n.Attr = []html.Attribute{{Key: "id", Val: anchor + id}}
		}
		return
	}
	switch n.DataAtom {
	case atom.A:
		to := l.link(attr(n, "href"))
		n.Attr = nil
		if to != "" {
			n.Attr = []html.Attribute{{Key: "href", Val: to}}
		}
	case atom.Img:
		l.image(n)
	case atom.Input: // the box of a task
		_, checked := find(n, "checked")
		*n = html.Node{Type: html.TextNode, Data: map[bool]string{true: "☑", false: "☐"}[checked], Parent: n.Parent, PrevSibling: n.PrevSibling, NextSibling: n.NextSibling}
	case atom.Td, atom.Th:
		n.Attr = nil
	default:
		_, open := find(n, "open")
		n.Attr = nil
		if n.DataAtom == atom.Details && open {
			n.Attr = []html.Attribute{{Key: "open"}}
		}
	}
}

// anchor is the prefix of ids in a README, which distinguishes them from those of the page.
const anchor = "readme-"

// link returns the URL of a link here, or "" if it must not lead anywhere.
func (l *Links) link(href string) string {
	if fragment, ok := strings.CutPrefix(href, "#"); ok {
		return "#" + anchor + fragment
	}
	u, err := url.Parse(strings.TrimSpace(href))
	if err != nil || href == "" || len(href) > maxURL {
		return ""
	}
	switch u.Scheme {
	case "http", "https":
		if u.Host == "" {
			return ""
		}
		return u.String()
	case "mailto":
		return u.String()
	}
	if name, ok := l.inside(u); ok {
		return l.File(name)
	}
	return ""
}

// inside returns the path in the crate to which a relative link leads.
func (l *Links) inside(u *url.URL) (string, bool) {
	if u.Scheme != "" || u.Host != "" || u.Opaque != "" || u.Path == "" {
		return "", false
	}
	name := strings.TrimPrefix(u.Path, "/") // as on GitHub: relative to the repository
	if name == u.Path {
		name = path.Join(path.Dir(l.Path), name)
	}
	name = path.Clean(name)
	return name, name != "." && name != ".." && !strings.HasPrefix(name, "../")
}

// image shows a file of the crate, or the description of an image from elsewhere.
func (l *Links) image(n *html.Node) {
	alt := attr(n, "alt")
	if u, err := url.Parse(attr(n, "src")); err == nil && len(u.Path) <= maxURL {
		if name, ok := l.inside(u); ok {
			if to := l.Image(name); to != "" {
				n.Attr = []html.Attribute{{Key: "src", Val: to}, {Key: "alt", Val: alt}, {Key: "loading", Val: "lazy"}}
				return
			}
		}
	}
	if alt == "" {
		alt = "image"
	}
	span := &html.Node{Type: html.ElementNode, DataAtom: atom.Em, Data: "em"}
	span.AppendChild(&html.Node{Type: html.TextNode, Data: alt})
	n.Parent.InsertBefore(span, n)
	n.Parent.RemoveChild(n)
}

func attr(n *html.Node, name string) string {
	value, _ := find(n, name)
	return value
}

func find(n *html.Node, name string) (string, bool) {
	for i := range n.Attr {
		if n.Attr[i].Key == name && n.Attr[i].Namespace == "" {
			return n.Attr[i].Val, true
		}
	}
	return "", false
}
