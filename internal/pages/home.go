package pages

import (
	"net/http"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/dependants"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/publicurl"
)

// leaders is the number of crates in each list of the home page.
const leaders = 8

type homeData struct {
	Live   status
	URL    string            // of the server
	Config string            // cargo's configuration
	Health *healthData       // nil: unknown
	Growth *dependants.Chart // nil: unknown
	Recent []dependants.Leader
	Relied []dependants.Leader
}

func (h *Handler) home(r *http.Request) (page, error) {
	live := h.live.now()
	public := h.cfg.PublicURL.For(r)
	graph := h.cfg.Dependants.Graph()
	return page{
		template: "home", About: "A mirror of crates.io", Home: true, Refresh: live.Run != nil && live.Run.Live,
		Data: homeData{
			Live: live, URL: public,
			Config: publicurl.CargoConfig(publicurl.Index(public)),
			Health: h.healthOf(live), Growth: dependants.NewChart(graph.Growth()),
			Recent: graph.Recent(leaders, h.cfg.Mirror.Holds), Relied: graph.ReliedOn(leaders, h.cfg.Mirror.Holds),
		},
	}, nil
}
