package pages

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/browse"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/details"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/reader"
)

type versionData struct {
	reader.Entry
	details.Facts
	Newest   string // version of the crate
	Versions int
	About    About
	Tree     *browse.Tree // content of the crate file; nil: unknown
	Labels   bool         // keywords and categories are links
	Download string       // path
	Line     string       // path of the crate's index file
	Links    string       // the native library that it claims
	Damaged  bool         // the file is held, but not served
	Unread   bool         // the line is too long or invalid
	Deps     []depGroup
	Features []feature
	Readme   *readmeData // nil: there is none
	Compare  string      // the previous version; empty: there is none
	// MoreFeatures is the number of features left out.
	MoreFeatures int
}

// FeatureCount returns the number of features, shown or not.
func (d versionData) FeatureCount() int { return len(d.Features) + d.MoreFeatures }

// A depGroup is the dependencies of one kind.
type depGroup struct {
	Title string
	Open  bool // unfolded initially
	Deps  []depRow
	More  int // number left out
}

// Count returns the number of dependencies, shown or not.
func (g depGroup) Count() int { return len(g.Deps) + g.More }

type depRow struct {
	details.Dep
	Held bool   // has a page here
	Best string // version that cargo would choose today; empty: unknown, or Req names it
}

// WithFeatures returns the enabled features of the dependency.
func (d depRow) WithFeatures() words { return newWords(d.Features) }

func (h *Handler) version(r *http.Request) (page, error) {
	id := crate.ID{Name: r.PathValue("name"), Version: r.PathValue("version")}
	c, err := h.lookUp(r.Context(), id)
	if err != nil {
		return page{}, err
	}
	e, err := h.entry(c, id.Version)
	if err != nil {
		return page{}, err
	}
	data := h.versionOf(r.Context(), c, e)
	return page{template: "version", Title: e.ID.String(), About: data.About.Description, Data: data}, nil
}

// versionOf returns the data of a version's page.
func (h *Handler) versionOf(ctx context.Context, c *reader.Crate, e *reader.Entry) versionData {
	data := versionData{
		Entry: *e, Newest: c.Newest().Version, Versions: len(c.Entries),
		About:    h.about(ctx, e),
		Labels:   h.cfg.Labels,
		Damaged:  h.isDamaged(ctx, *e),
		Download: h.pages.path("crates") + "/" + e.ID.URLPath(),
		Line:     h.pages.path("index") + "/" + c.Path,
	}
	if !data.Damaged {
		data.Readme, data.Tree = h.readme(ctx, e)
		data.Compare = before(c, e.Version)
	}
	h.addDetails(ctx, &data)
	return data
}

// whyHidden returns why a version is not shown, or "" if it is not hidden.
func whyHidden(c *reader.Crate, version string) string {
	for i := range c.Withheld {
		if w := &c.Withheld[i]; w.Version == version {
			return fmt.Sprintf("This mirror holds %s and does not show it: %s", w.ID, w.Why)
		}
	}
	return ""
}

// isDamaged reports whether a download would be refused. For a large file that takes too
// long; then the download itself reports it.
func (h *Handler) isDamaged(ctx context.Context, e reader.Entry) bool {
	if !e.Held {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, aboutTime)
	defer cancel()
	f, err := h.cfg.Mirror.Open(ctx, e.ID)
	if err == nil {
		f.Close()
	}
	_, damaged := errors.AsType[*reader.DamagedError](err)
	return damaged
}

// entry returns the line of a version. Errors: *missing.
func (h *Handler) entry(c *reader.Crate, version string) (*reader.Entry, error) {
	for i := range c.Entries {
		if c.Entries[i].Version == version {
			return &c.Entries[i], nil
		}
	}
	if why := whyHidden(c, version); why != "" {
		return nil, &missing{what: why, title: hiddenHere}
	}
	return nil, &missing{what: fmt.Sprintf("This mirror holds %s, but not its version %s.", c.Name, version)}
}

// addDetails adds what only the index line says.
func (h *Handler) addDetails(ctx context.Context, data *versionData) {
	d, ok := parseDetails(data.Raw)
	if !ok {
		data.Unread = true
		return
	}
	data.Facts, data.Links = d.Facts, d.Links
	ctx, cancel := context.WithTimeout(ctx, aboutTime) // what is not available by then is left out
	defer cancel()
	pages := map[string]string{} // of dependencies, by the crate's names of them
	for _, kind := range []struct{ kind, title string }{
		{"normal", "Dependencies"}, {"build", "Build dependencies"}, {"dev", "Development dependencies"},
	} {
		deps, more := first(d.DepsOf(kind.kind), maxDeps)
		if len(deps) == 0 {
			continue
		}
		rows := h.depRows(ctx, deps)
		data.Deps = append(data.Deps, depGroup{kind.title, kind.kind != "dev", rows, more})
		for _, row := range rows {
			if row.Held {
				pages[row.Name] = row.Crate()
			}
		}
	}
	data.Features, data.MoreFeatures = featuresOf(&d, pages)
}

func (h *Handler) depRows(ctx context.Context, deps []details.Dep) []depRow {
	rows := make([]depRow, len(deps))
	for i, d := range deps {
		// A dependency from another registry may have the name of an unrelated crate.
		held := d.Registry == "" && crate.CheckName(d.Crate()) == nil && h.cfg.Mirror.Holds(d.Crate())
		rows[i] = depRow{Dep: d, Held: held}
		if !held || i >= maxBest {
			continue
		}
		if c, err := h.cfg.Mirror.Crate(ctx, d.Crate()); err == nil {
			if e := c.Best(d.Req); e != nil && "="+e.Version != d.Req {
				rows[i].Best = e.Version
			}
		}
	}
	return rows
}
