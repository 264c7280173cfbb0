package pages

import (
	"maps"
	"net/http"
	"net/url"
	"strconv"
)

// A pager is where one is in a long list.
type pager struct {
	Page, PerPage, Total int

	path  string
	query url.Values
}

func (p pager) offset() int { return (p.Page - 1) * p.PerPage }

// Link leads to a page.
func (p pager) Link(page int) string {
	query := maps.Clone(p.query)
	query.Set("page", strconv.Itoa(page))
	return p.path + "?" + query.Encode()
}

// Pages is how many there are, 1 at least.
func (p pager) Pages() int { return max(1, (p.Total+p.PerPage-1)/p.PerPage) }

// Before and After are the pages beside this one, 0 if there is none.
func (p pager) Before() int { return min(p.Page-1, p.Pages()) }
func (p pager) After() int {
	if p.Page >= p.Pages() {
		return 0
	}
	return p.Page + 1
}

func newPager(r *http.Request, perPage int, path string, query url.Values) pager {
	return pager{Page: pageNumber(r), PerPage: perPage, path: path, query: query}
}

// maxPage keeps offsets far from overflow.
const maxPage = 1 << 20

// pageNumber is what ?page= says, 1 if that is no page number.
func pageNumber(r *http.Request) int {
	n, err := strconv.Atoi(r.FormValue("page"))
	if err != nil || n < 1 || n > maxPage {
		return 1
	}
	return n
}
