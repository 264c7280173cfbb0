package pages

import (
	"bytes"
	"cmp"
	"encoding/xml"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/reader"
)

// maxFeed is the maximum number of versions in a feed.
const maxFeed = 50

// An atomFeed is the versions of a crate, ordered by time (RFC 4287).
type atomFeed struct {
	XMLName xml.Name    `xml:"http://www.w3.org/2005/Atom feed"`
	Title   string      `xml:"title"`
	ID      string      `xml:"id"`
	Updated string      `xml:"updated"`
	Link    atomLink    `xml:"link"`
	Author  string      `xml:"author>name"`
	Entries []atomEntry `xml:"entry"`
}

type atomLink struct {
	Rel  string `xml:"rel,attr"`
	Href string `xml:"href,attr"`
}

type atomEntry struct {
	Title   string   `xml:"title"`
	ID      string   `xml:"id"`
	Updated string   `xml:"updated"`
	Link    atomLink `xml:"link"`
	Summary string   `xml:"summary"`
}

// feed answers with the latest versions of a crate, of those whose line has a time of
// publication.
func (h *Handler) feed(w http.ResponseWriter, r *http.Request) {
	c, err := h.lookUp(r.Context(), crate.ID{Name: r.PathValue("name")})
	if err != nil {
		h.problem(w, r, err)
		return
	}
	public := h.cfg.PublicURL.For(r)
	at := func(version string) string { return public + "/crate/" + c.Name + "/" + url.PathEscape(version) }
	feed := atomFeed{
		Title: "Versions of " + c.Name, ID: public + "/crate/" + c.Name, Author: "the authors of " + c.Name,
		Link: atomLink{"alternate", public + "/crate/" + c.Name}, Updated: time.Unix(0, 0).UTC().Format(time.RFC3339),
	}
	for _, row := range lately(c) {
		when := row.Published().UTC().Format(time.RFC3339)
		summary := "published"
		if row.Yanked {
			summary = "published, and yanked since"
		}
		feed.Updated = max(feed.Updated, when)
		feed.Entries = append(feed.Entries, atomEntry{row.ID.String(), at(row.Version), when, atomLink{"alternate", at(row.Version)}, summary})
	}
	body, err := xml.MarshalIndent(&feed, "", " ")
	if err != nil {
		h.problem(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/atom+xml; charset=utf-8")
	w.Header().Set("Cache-Control", "no-cache")
	serveBody(w, r, append([]byte(xml.Header), body...))
}

// lately returns the latest versions, the newest first.
func lately(c *reader.Crate) (rows []row) {
	for _, e := range c.Entries {
		if r := (row{e, parseFacts(e.Raw)}); !r.Published().IsZero() {
			rows = append(rows, r)
		}
	}
	slices.SortStableFunc(rows, func(a, b row) int {
		return cmp.Or(b.Published().Compare(a.Published()), cmp.Compare(a.Version, b.Version))
	})
	rows, _ = first(rows, maxFeed)
	return rows
}

// openSearch lets a browser search here from its address bar (OpenSearch 1.1).
func (h *Handler) openSearch(w http.ResponseWriter, r *http.Request) {
	var address bytes.Buffer
	if err := xml.EscapeText(&address, []byte(h.cfg.PublicURL.For(r))); err != nil {
		h.problem(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/opensearchdescription+xml; charset=utf-8")
	w.Header().Set("Cache-Control", "no-cache")
	serveBody(w, r, []byte(xml.Header+`<OpenSearchDescription xmlns="http://a9.com/-/spec/opensearch/1.1/">
 <ShortName>Crates mirror</ShortName>
 <Description>Crates that this mirror holds</Description>
 <InputEncoding>UTF-8</InputEncoding>
 <Url type="text/html" template="`+address.String()+`/search?q={searchTerms}"/>
</OpenSearchDescription>
`))
}
