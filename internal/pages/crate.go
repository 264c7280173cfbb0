package pages

import (
	"context"
	"errors"
	"io/fs"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/details"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/reader"
)

type crateData struct {
	versionData // of the newest version: the one that cargo would choose
	Groups      []group
	All         int // number of versions
	AllYanked   int
	Bytes       int64
	Columns     columns
	Used        int
	UsedKnown   bool
	Hidden      []reader.Withheld // the latest first
	MoreHidden  int
	Pager       pager
	Calendar    *calendar // nil: there is no history
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
	data := crateData{
		versionData: h.versionOf(r.Context(), c, c.Newest()), All: len(c.Entries),
		Pager: newPager(r, rowsPerPage, h.pages.path("crate", c.Name), url.Values{}),
	}
	data.Hidden, data.MoreHidden = hidden(c)
	data.Pager.Total = len(c.Entries)
	data.Calendar = h.calendar(r.Context(), c.Name, "")
	for _, e := range c.Entries {
		data.Bytes += e.Size
		if e.Yanked {
			data.AllYanked++
		}
	}
	data.Used, data.UsedKnown = h.usedBy(c.Name)
	sorted, rows := c.NewestFirst(), 0
	for _, e := range sorted[min(data.Pager.offset(), len(sorted)):] {
		if rows == rowsPerPage {
			break
		}
		data.add(row{e, parseFacts(e.Raw)})
		rows++
	}
	return page{template: "crate", Title: c.Name, About: data.About.Description, Feed: h.pages.path("crate", c.Name, "feed.atom"), Data: data}, nil
}

// A group is the versions that cargo considers compatible: with the same major number, or
// below 1 the same minor number.
type group struct {
	Name   string // "1", "0.9"
	Rows   []row
	Yanked []row // folded
}

// A tableRow is a row of a table, and the table's columns.
type tableRow struct {
	Name    string
	Columns columns
	Row     row
}

// columns are the columns in which some row of the page has a value.
type columns struct{ Published, Rust bool }

func (d *crateData) add(r row) {
	name := compatible(r.Version)
	if n := len(d.Groups); n == 0 || d.Groups[n-1].Name != name {
		d.Groups = append(d.Groups, group{Name: name})
	}
	g := &d.Groups[len(d.Groups)-1]
	if r.Yanked {
		g.Yanked = append(g.Yanked, r)
	} else {
		g.Rows = append(g.Rows, r)
	}
	d.Columns.Published = d.Columns.Published || !r.Published().IsZero()
	d.Columns.Rust = d.Columns.Rust || r.RustVersion != ""
}

// compatible returns the part of a version that cargo's "^" keeps fixed.
func compatible(version string) string {
	major, rest, _ := strings.Cut(version, ".")
	if minor, _, ok := strings.Cut(rest, "."); ok && major == "0" {
		return "0." + minor
	}
	return major
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

// hiddenHere is the title of a page about versions that a policy hides.
const hiddenHere = "This is hidden here"

// hidden returns the latest hidden versions, and the number of others.
func hidden(c *reader.Crate) ([]reader.Withheld, int) {
	all := slices.Clone(c.Withheld)
	slices.Reverse(all)
	return first(all, maxHidden)
}

// gone returns the name of a missing crate if it existed once. For a name that never
// existed, this is as cheap as finding that it is missing.
func (h *Handler) gone(ctx context.Context, name string) string {
	if past, err := h.cfg.Mirror.History(ctx, name, ""); err != nil || len(past.Days) == 0 {
		return ""
	}
	return name
}

// maxSimilar is the maximum number of similar names on the page for a missing crate.
const maxSimilar = 5

// Short returns enough of the checksum to compare by eye.
func (r row) Short() string { return r.Checksum.String()[:12] }

// checkID rejects names and versions that cannot exist (H4).
func checkID(id crate.ID) error {
	if crate.CheckName(id.Name) != nil {
		return &missing{what: "A crate cannot have that name."}
	}
	if id.Version != "" && crate.CheckVersion(id.Version) != nil {
		return &missing{what: "A crate cannot have that version."}
	}
	return nil
}
