package web

import "net/http"

type homeData struct {
	Live status
	URL  string // of the server
	// What to paste into cargo's configuration.
	BuildConfig, SearchConfig string
}

func (h *Handler) home(*http.Request) (page, error) {
	live := h.live.now()
	registry := `"sparse+` + h.public.String() + `/index/"`
	return page{
		template: "home", Home: true, Refresh: live.Run != nil && live.Run.Live,
		Data: homeData{
			Live: live, URL: h.public.String(),
			BuildConfig:  "[source.crates-io]\nreplace-with = \"mirror\"\n\n[source.mirror]\nregistry = " + registry + "\n",
			SearchConfig: "[registries.mirror]\nindex = " + registry + "\n",
		},
	}, nil
}
