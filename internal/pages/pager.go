package pages

import (
	"maps"
	"net/http"
	"net/url"
	"strconv"
)

// A pager is the position in a long list.
type pager struct {
	Page, PerPage, Total int

	path  string
	query url.Values
}

func (p pager) offset() int { return (p.Page - 1) * p.PerPage }

// Link returns the URL of a page.
func (p pager) Link(page int) string {
	query := maps.Clone(p.query)
	query.Set("page", strconv.Itoa(page))
	return p.path + "?" + query.Encode()
}

// Pages returns the number of pages, at least 1.
func (p pager) Pages() int { return max(1, (p.Total+p.PerPage-1)/p.PerPage) }

// Before returns the previous page, or 0 if there is none.
func (p pager) Before() int { return min(p.Page-1, p.Pages()) }

// After returns the next page, or 0 if there is none.
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

// pageNumber returns the number in ?page=, or 1 if it is invalid.
func pageNumber(r *http.Request) int {
	n, err := strconv.Atoi(r.FormValue("page"))
	if err != nil || n < 1 || n > maxPage {
		return 1
	}
	return n
}
