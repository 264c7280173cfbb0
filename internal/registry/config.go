package registry

import (
	"fmt"
	"net/http"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

// registryConfig is config.json (cargo book, Index Format, "Index
// Configuration"). cargo adds /{crate}/{version}/download to DL if that has no
// markers.
type registryConfig struct {
	DL  string `json:"dl"`
	API string `json:"api,omitzero"`
	// AuthRequired makes cargo send its token with each request (cargo book, Registry
	// Authentication).
	AuthRequired bool `json:"auth-required,omitzero"`
}

// config answers requests for config.json.
func (h *Handler) config(w *response, r *http.Request) error {
	return h.registry(w, r, "", func(base string) registryConfig { return registryConfig{DL: base + "/crates", API: base} })
}

// snapshotConfig answers requests for config.json of a snapshot, which is the same for all
// of them: only the lines differ, and they identify crate files by checksum. Earlier bytes
// of a version stay available by their checksum, whatever bytes it has now. There is no
// API, because search only knows current versions.
func (h *Handler) snapshotConfig(w *response, r *http.Request) error {
	return h.registry(w, r, "#snapshot", func(base string) registryConfig {
		return registryConfig{DL: base + "/crates/{crate}/{version}/{sha256-checksum}" + crate.Ext}
	})
}

// registry answers with a config.json for the address at which the client reached us.
func (h *Handler) registry(w *response, r *http.Request, kind string, of func(base string) registryConfig) error {
	base := h.publicURL.For(r)
	if h.publicURL.IsZero() {
		h.wantPublicURL(r)
	}
	key := base + kind // no index path looks like a URL
	kept := h.cache.get(key)
	if kept == nil {
		about := of(base)
		about.AuthRequired = h.tokens
		body, err := json.Marshal(about, jsontext.Multiline(true))
		if err != nil {
			return fmt.Errorf("writing config.json: %w", err)
		}
		kept = render(key, "application/json", append(body, '\n'), 0)
		h.cache.put(kept)
	}
	return kept.write(w, r, h.kept.short)
}
