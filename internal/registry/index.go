package registry

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"strconv"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/reader"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

// lines identifies the current index, or a commit of the past.
type lines struct {
	commit string // empty: of now
	cache  *cache
	crate  func(ctx context.Context, name string) (*reader.Crate, error)
}

// when describes the time of the index, for clients that find nothing in it.
func (of lines) when() string {
	if of.commit == "" {
		return ""
	}
	return " that the index had at commit " + of.commit[:12]
}

// index answers requests for the lines of a crate.
func (h *Handler) index(w *response, r *http.Request, name string) error {
	kept, err := h.lines(r, lines{"", h.cache, h.mirror.Crate}, name)
	if err != nil {
		return err
	}
	return kept.write(w, r, h.kept.shortUntil(kept.until, h.clock()))
}

// lines returns the lines of a crate as they are sent.
func (h *Handler) lines(r *http.Request, of lines, name string) (*rendered, error) {
	path := h.keys + of.commit + "/" + crate.IndexPath(name)
	kept := of.cache.get(path)
	if kept != nil && kept.generation == h.mirror.Generation() && (kept.until.IsZero() || h.clock().Before(kept.until)) {
		h.metrics.cacheHit.Inc()
		return kept, nil
	}
	// A request for the current lines does not get lines of an earlier generation.
	v, err, _ := h.renders.Do(path+" "+strconv.FormatUint(h.mirror.Generation(), 10), func() (any, error) {
		// Other requests wait for this too: it does not end with the first of them.
		return h.renderIndex(store.ForClient(context.WithoutCancel(r.Context()), clientOf(r)), of, path, name)
	})
	if err != nil {
		return nil, err
	}
	return v.(*rendered), nil
}

// renderIndex asks the mirror for the lines of a crate. If the lines rendered for another
// generation are the same, it uses them again.
func (h *Handler) renderIndex(ctx context.Context, of lines, path, name string) (*rendered, error) {
	kept := of.cache.get(path)
	generation := h.mirror.Generation() // read before the lines, so that it is never newer than they are
	c, err := of.crate(ctx, name)
	if errors.Is(err, fs.ErrNotExist) {
		of.cache.drop(path)
		return nil, absent(err, "This mirror holds no version of a crate %q%s.", name, of.when())
	}
	if err != nil {
		return nil, fmt.Errorf("reading the index entry of %s: %w", name, err)
	}
	body := c.Body()
	if kept != nil && kept.sum == sha256.Sum256(body) {
		h.metrics.cacheRevalidated.Inc()
	} else {
		h.metrics.cacheMiss.Inc()
		kept = render(path, "text/plain; charset=utf-8", body, generation)
	}
	kept = kept.at(generation, c)
	of.cache.put(kept)
	return kept, nil
}
