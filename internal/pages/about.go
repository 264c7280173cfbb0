package pages

import (
	"context"
	"net/url"
	"strings"
	"time"
	"unicode"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/reader"
)

// aboutTime is how long a page waits for optional content.
const aboutTime = 300 * time.Millisecond

// About is what the author of a version says about it in Cargo.toml. Any field may be
// empty, and all are untrusted.
type About struct {
	Description, License                string
	Homepage, Documentation, Repository string
	Keywords, Categories                []string
}

// about returns what is available in time.
func (h *Handler) about(ctx context.Context, e *reader.Entry) About {
	if h.cfg.About == nil {
		return About{}
	}
	ctx, cancel := context.WithTimeout(ctx, aboutTime)
	defer cancel()
	a, err := h.cfg.About(ctx, e.Key())
	if err != nil {
		h.cfg.Log.Debug("cannot read the metadata of a crate", "crate", e.ID, "err", err)
		return About{}
	}
	if !isWeb(a.Documentation) && !h.cfg.Foreign { // as on crates.io
		a.Documentation = "https://docs.rs/" + e.Name + "/" + url.PathEscape(e.Version)
	}
	a.Keywords, a.Categories = labels(a.Keywords), labels(a.Categories)
	return a
}

// labels returns the valid labels: crates.io allows no others.
func labels(list []string) (some []string) {
	for _, label := range list {
		if label != "" && len(label) <= maxLabel && !strings.ContainsFunc(label, unicode.IsSpace) && len(some) < maxLabels {
			some = append(some, label)
		}
	}
	return some
}

// A link is a link that an author chose.
type link struct{ Text, URL string }

// Links returns the links that are safe for a browser (H9): it omits "javascript:" and the
// like.
func (a About) Links() []link {
	var links []link
	for _, l := range []link{{"Homepage", a.Homepage}, {"Documentation", a.Documentation}, {"Repository", a.Repository}} {
		if isWeb(l.URL) {
			links = append(links, l)
		}
	}
	return links
}

func isWeb(address string) bool {
	u, err := url.Parse(address)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && len(address) <= maxText
}

// AboutOf returns a function that reads About from the crates that a mirror holds.
func AboutOf(v Mirror) func(context.Context, crate.Key) (About, error) {
	return func(ctx context.Context, key crate.Key) (About, error) {
		p, err := v.About(ctx, key)
		return About{
			Description: p.Description, License: p.License,
			Homepage: p.Homepage, Documentation: p.Documentation, Repository: p.Repository,
			Keywords: p.Keywords, Categories: p.Categories,
		}, err
	}
}
