package registry

import (
	"net/http"
	"strings"
)

// ViewPrefix begins the paths of views, before their names.
const ViewPrefix = "/policy/"

// A View is a separate registry below /policy/{name}/: an index, crate files, an API,
// snapshots and pages of what its Mirror shows. Its config.json refers only to paths below
// it.
type View struct {
	Name   string // lower-case letters, digits, "-"
	Mirror Mirror
	Pages  http.Handler // of the view; like Config.Pages
}

// addViews makes the handlers of views. They share with h everything that costs memory, and
// its metrics.
func (h *Handler) addViews(cfg Config) {
	h.views = make(map[string]*Handler, len(cfg.Views))
	for _, v := range cfg.Views {
		h.views[v.Name] = &Handler{
			mirror: v.Mirror, pages: v.Pages, publicURL: h.publicURL.Below(ViewPrefix + v.Name), log: h.log, metrics: h.metrics,
			kept: newKept(true, cfg.Private), tokens: cfg.Tokens, clock: h.clock, keys: v.Name + ":", cache: h.cache, snapshots: h.snapshots,
		}
	}
}

// viewOf returns the view that r asks for, or nil, and the request without the view's path.
func (h *Handler) viewOf(r *http.Request) (*Handler, *http.Request) {
	if len(h.views) == 0 {
		return nil, nil
	}
	stripped := h.strip(r)
	rest, ok := strings.CutPrefix(stripped.URL.Path, ViewPrefix)
	if !ok {
		return nil, nil
	}
	name, _, _ := strings.Cut(rest, "/")
	view := h.views[name]
	if view == nil {
		return nil, nil
	}
	return view, without(stripped, ViewPrefix+name)
}
