package pages

import (
	"net/http"
	"net/url"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

// usedData is the crates that need a crate.
type usedData struct {
	Name        string
	All, Strong int
	Results     []result
	Pager       pager
}

// DevOnly returns how many crates need it only for their tests.
func (d usedData) DevOnly() int { return d.All - d.Strong }

func (h *Handler) used(r *http.Request) (page, error) {
	c, err := h.lookUp(r.Context(), crate.ID{Name: r.PathValue("name")})
	if err != nil {
		return page{}, err
	}
	g := h.cfg.Dependants.Graph()
	if g == nil {
		return page{}, &missing{what: "Who needs which crate is not known here yet: the index is being read for it.", title: "Not yet"}
	}
	data := usedData{Name: c.Name, Pager: newPager(r, resultsPerPage, h.pages.path("crate", c.Name, "used-by"), url.Values{})}
	data.All, data.Strong = g.Count(c.Name)
	data.Pager.Total = data.All
	data.Results = h.results(r.Context(), g.Of(c.Name, data.Pager.offset(), resultsPerPage))
	return page{template: "used", Title: "Crates that need " + c.Name, Data: data}, nil
}

// usedBy returns how many crates need a crate; false if that is unknown.
func (h *Handler) usedBy(name string) (n int, known bool) {
	g := h.cfg.Dependants.Graph()
	n, _ = g.Count(name)
	return n, g != nil
}
