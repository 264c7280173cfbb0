package serve

import (
	"fmt"
	"net/http"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// registryConfig is config.json (cargo book, Index Format, "Index
// Configuration"). cargo adds /{crate}/{version}/download to DL.
type registryConfig struct {
	DL  string `json:"dl"`
	API string `json:"api"`
}

// config answers for config.json.
func (h *Handler) config(w *response, r *http.Request) error {
	base := h.publicURL.For(r)
	if h.publicURL.IsZero() {
		h.wantPublicURL(r)
	}
	kept := h.cache.get(base) // no index path looks like a URL
	if kept == nil {
		body, err := json.Marshal(registryConfig{base + "/crates", base}, jsontext.Multiline(true))
		if err != nil {
			return fmt.Errorf("writing config.json: %w", err)
		}
		kept = render(base, "application/json", append(body, '\n'), 0)
		h.cache.put(kept)
	}
	return kept.write(w, r)
}
