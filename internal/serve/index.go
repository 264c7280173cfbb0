package serve

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"net/http"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

// index answers for the lines of a crate.
func (h *Handler) index(w *response, r *http.Request, name string) error {
	path := crate.IndexPath(name)
	kept := h.cache.get(path)
	if kept != nil && kept.generation == h.mirror.Generation() {
		h.metrics.cacheHit.Inc()
		return kept.write(w, r)
	}
	v, err, _ := h.renders.Do(path, func() (any, error) {
		// Others wait for this too: it does not end with the first of them.
		return h.renderIndex(context.WithoutCancel(r.Context()), path, name)
	})
	if err != nil {
		return err
	}
	return v.(*rendered).write(w, r)
}

// renderIndex asks the mirror for the lines of a crate. What was rendered for
// another generation is taken up again if they are the same.
func (h *Handler) renderIndex(ctx context.Context, path, name string) (*rendered, error) {
	kept := h.cache.get(path)
	generation := h.mirror.Generation() // before what it vouches for
	c, err := h.mirror.Crate(ctx, name)
	if errors.Is(err, fs.ErrNotExist) {
		h.cache.drop(path)
		return nil, notFoundf("This mirror holds no version of a crate %q.", name)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the index entry of %s: %w", name, err)
	}
	body := c.Body()
	if kept != nil && kept.sum == sha256.Sum256(body) {
		h.metrics.cacheRevalidated.Inc()
		kept = kept.at(generation)
	} else {
		h.metrics.cacheMiss.Inc()
		kept = render(path, "text/plain; charset=utf-8", body, generation)
	}
	h.cache.put(kept)
	return kept, nil
}
