package pages

import (
	"net/http"
	"strconv"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/publicurl"
)

type homeData struct {
	Live status
	URL  string // of the server
	// What to paste into cargo's configuration.
	BuildConfig, SearchConfig string
}

func (h *Handler) home(r *http.Request) (page, error) {
	live := h.live.now()
	public := h.cfg.PublicURL.For(r)
	registry := strconv.Quote(publicurl.Index(public))
	return page{
		template: "home", Home: true, Refresh: live.Run != nil && live.Run.Live,
		Data: homeData{
			Live: live, URL: public,
			BuildConfig:  "[source.crates-io]\nreplace-with = \"mirror\"\n\n[source.mirror]\nregistry = " + registry + "\n",
			SearchConfig: "[registries.mirror]\nindex = " + registry + "\n",
		},
	}, nil
}
