package pages

import (
	"context"
	"errors"
	"io/fs"
	"net/http"
	"net/url"
	"slices"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/details"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/reader"
)

type crateData struct {
	Name       string
	Newest     string // the version that cargo would take
	About      About
	Versions   int
	Yanked     int
	Bytes      int64
	Rows       []row
	Hidden     []reader.Withheld // the last ones first
	MoreHidden int
	Pager      pager
	Calendar   *calendar // nil: there is no past
}

// A row is a version in the table of a crate.
type row struct {
	reader.Entry
	details.Facts
}

func (h *Handler) crate(r *http.Request) (page, error) {
	c, err := h.lookUp(r.Context(), crate.ID{Name: r.PathValue("name")})
	if err != nil {
		return page{}, err
	}
	newest := c.Newest()
	data := crateData{
		Name: c.Name, Newest: newest.Version, Versions: len(c.Entries),
		About: h.about(r.Context(), newest),
		Pager: newPager(r, rowsPerPage, h.pages.path("crate", c.Name), url.Values{}),
	}
	data.Hidden, data.MoreHidden = hidden(c)
	data.Pager.Total = len(c.Entries)
	data.Calendar = h.calendar(r.Context(), c.Name, "")
	for _, e := range c.Entries {
		data.Bytes += e.Size
		if e.Yanked {
			data.Yanked++
		}
	}
	sorted := c.NewestFirst()
	for _, e := range sorted[min(data.Pager.offset(), len(sorted)):] {
		if len(data.Rows) == rowsPerPage {
			break
		}
		data.Rows = append(data.Rows, row{e, parseFacts(e.Raw)})
	}
	return page{template: "crate", Title: c.Name, Data: data}, nil
}

// lookUp returns the crate of an id, whose version may be empty.
func (h *Handler) lookUp(ctx context.Context, id crate.ID) (*reader.Crate, error) {
	if err := checkID(id); err != nil {
		return nil, err
	}
	c, err := h.cfg.Mirror.Crate(ctx, id.Name)
	if refusal, ok := errors.AsType[reader.Refusal](err); ok {
		_, text := refusal.Refuse()
		return nil, &missing{what: text, title: hiddenHere}
	}
	if errors.Is(err, fs.ErrNotExist) {
		similar, _ := h.cfg.Mirror.Search(id.Name, 0, maxSimilar)
		what := "This mirror holds no crate called " + id.Name + ". It may have been published after the last update, or not be part of what is mirrored here."
		return nil, &missing{what: what, similar: similar, past: h.gone(ctx, id.Name)}
	}
	return c, err
}

// hiddenHere is the title of what a policy hides.
const hiddenHere = "This is hidden here"

// hidden is the last versions that are, first, and how many there are beside.
func hidden(c *reader.Crate) ([]reader.Withheld, int) {
	all := slices.Clone(c.Withheld)
	slices.Reverse(all)
	return first(all, maxHidden)
}

// gone returns the name of a crate that is not there if it was. Of a name that never
// was, this costs as little as to find that it is not there.
func (h *Handler) gone(ctx context.Context, name string) string {
	if past, err := h.cfg.Mirror.History(ctx, name, ""); err != nil || len(past.Days) == 0 {
		return ""
	}
	return name
}

// maxSimilar is how many names a page for one that is not there offers.
const maxSimilar = 5

// Short is enough of the checksum to compare by eye.
func (r row) Short() string { return r.Checksum.String()[:12] }

// checkID keeps names and versions that nobody can have from going any further
// (H4).
func checkID(id crate.ID) error {
	if crate.CheckName(id.Name) != nil {
		return &missing{what: "That is no name that a crate can have."}
	}
	if id.Version != "" && crate.CheckVersion(id.Version) != nil {
		return &missing{what: "That is no version that a crate can have."}
	}
	return nil
}
