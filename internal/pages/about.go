package pages

import (
	"context"
	"net/url"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/reader"
)

// aboutTime is how long a page waits for what is nice to have.
const aboutTime = 300 * time.Millisecond

// About is what the author of a version says of it in Cargo.toml. Any of it may be empty,
// and all of it is untrusted.
type About struct {
	Description, License                string
	Homepage, Documentation, Repository string
}

// about returns what is known in time.
func (h *Handler) about(ctx context.Context, e *reader.Entry) About {
	if h.cfg.About == nil {
		return About{}
	}
	ctx, cancel := context.WithTimeout(ctx, aboutTime)
	defer cancel()
	a, err := h.cfg.About(ctx, e.Key())
	if err != nil {
		h.cfg.Log.Debug("nothing is known about a crate", "crate", e.ID, "err", err)
		return About{}
	}
	return a
}

// A link leads to where an author wants to send people.
type link struct{ Text, URL string }

// Links returns those that a browser may be given (H9): "javascript:" and its
// like are left out.
func (a About) Links() []link {
	var links []link
	for _, l := range []link{{"Homepage", a.Homepage}, {"Documentation", a.Documentation}, {"Repository", a.Repository}} {
		u, err := url.Parse(l.URL)
		if err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && len(l.URL) <= maxText {
			links = append(links, l)
		}
	}
	return links
}

// AboutOf is what authors say, out of the crates that a mirror holds.
func AboutOf(v Mirror) func(context.Context, crate.Key) (About, error) {
	return func(ctx context.Context, key crate.Key) (About, error) {
		p, err := v.About(ctx, key)
		return About{
			Description: p.Description, License: p.License,
			Homepage: p.Homepage, Documentation: p.Documentation, Repository: p.Repository,
		}, err
	}
}
