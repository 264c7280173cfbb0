package pages

import (
	"context"
	"net/http"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/browse"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/reader"
)

type compareData struct {
	crate.ID
	With   string // the version to compare with
	Only   string // file; empty: all files
	Others []string
	*browse.Comparison
	All string // URL of the comparison of all files
}

// Open reports whether a file is unfolded initially.
func (d compareData) Open(c *browse.Change) bool {
	return d.Only != "" || len(c.Hunks) > 0 && c.Added+c.Removed <= maxUnfolded
}

// File returns the URL of the comparison of one file.
func (d compareData) File(c *browse.Change) string { return d.All + "&file=" + escapeQuery(c.Path) }

// compare shows the differences between two versions of a crate.
func (h *Handler) compare(r *http.Request) (page, error) {
	ctx, id := r.Context(), crate.ID{Name: r.PathValue("name"), Version: r.PathValue("version")}
	after, c, err := h.contents(ctx, id)
	if err != nil {
		return page{}, err
	}
	data := compareData{ID: id, With: r.FormValue("with"), Only: r.FormValue("file"), Others: othersOf(c, id.Version)}
	if data.With == "" {
		data.With = before(c, id.Version)
	}
	if data.With == "" {
		after.Content.Close()
		return page{}, &missing{what: "There is no other version of " + id.Name + " here to compare it with."}
	}
	data.All = h.pages.path("crate", id.Name, id.Version, "diff") + "?with=" + escapeQuery(data.With)
	old, err := h.old(ctx, c, data.With)
	if err != nil {
		after.Content.Close()
		return page{}, err
	}
	if data.Comparison, err = h.cfg.Files.Compare(ctx, old, after, data.Only); err != nil {
		return page{}, ofFiles(ctx, id, err)
	}
	return page{template: "compare", Title: id.Name + ": " + data.With + " and " + id.Version, Data: data}, nil
}

func (h *Handler) old(ctx context.Context, c *reader.Crate, version string) (browse.Crate, error) {
	if err := checkID(crate.ID{Name: c.Name, Version: version}); err != nil {
		return browse.Crate{}, err
	}
	e, err := h.entry(c, version)
	if err != nil {
		return browse.Crate{}, err
	}
	return h.open(ctx, e)
}

// othersOf returns the versions to compare with, the newest first.
func othersOf(c *reader.Crate, version string) (others []string) {
	for _, e := range c.NewestFirst() {
		if e.Held && e.Version != version && len(others) < maxOthers {
			others = append(others, e.Version)
		}
	}
	return others
}

// before returns the version before one, or else the one after it, or "".
func before(c *reader.Crate, version string) (with string) {
	found := false
	for _, e := range c.NewestFirst() {
		switch {
		case e.Version == version:
			found = true
		case !e.Held:
		case found:
			return e.Version
		default:
			with = e.Version
		}
	}
	return with
}
