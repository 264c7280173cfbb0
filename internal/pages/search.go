package pages

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/details"
)

type searchData struct {
	Query   string
	Total   int
	Results []result
	Pager   pager
}

type result struct {
	Name, Version string // of the newest version; "" if unknown
	details.Facts        // of that version
	About         About
	Versions      int
	Held          bool
	Used          int // number of crates that need it
}

func (h *Handler) search(r *http.Request) (page, error) {
	query := clip(strings.TrimSpace(strings.ToValidUTF8(r.FormValue("q"), "\ufffd")), maxQuery)
	data := searchData{Query: query, Pager: newPager(r, resultsPerPage, h.pages.path("search"), url.Values{"q": {query}})}
	if query != "" {
		names, total := h.cfg.Mirror.Search(query, data.Pager.offset(), resultsPerPage)
		data.Total, data.Pager.Total = total, total
		data.Results = h.results(r.Context(), names)
	}
	title := "Search"
	if query != "" {
		title = query + " · Search"
	}
	return page{template: "search", Title: title, Query: query, Data: data}, nil
}

// results looks up the names. A crate that cannot be looked up now is listed anyway: its
// page says what is wrong.
func (h *Handler) results(ctx context.Context, names []string) []result {
	ctx, cancel := context.WithTimeout(ctx, aboutTime)
	defer cancel()
	results := make([]result, len(names))
	for i, name := range names {
		results[i].Name = name
		results[i].Used, _ = h.usedBy(name)
		results[i].Held = h.cfg.Mirror.Holds(name)
		if !results[i].Held {
			continue
		}
		if c, err := h.cfg.Mirror.Crate(ctx, name); err == nil {
			newest := c.Newest()
			results[i].Version, results[i].Versions, results[i].Facts = newest.Version, len(c.Entries), parseFacts(newest.Raw)
			results[i].About = h.about(ctx, newest)
		}
	}
	return results
}
