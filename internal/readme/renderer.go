package readme

import (
	"context"
	"html/template"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/recent"
)

const (
	// maxRendering is the maximum number of renderings at a time, including abandoned ones.
	maxRendering = 2
	// maxRemembered is the number of cached results.
	maxRemembered = 32
)

// A Renderer renders READMEs, and caches the results. The zero value is unusable: see
// [NewRenderer]. Its methods may be called concurrently.
type Renderer struct {
	slots chan struct{}
	known recent.Map[string, rendered]
}

type rendered struct {
	html template.HTML
	err  error
}

// NewRenderer returns a Renderer.
func NewRenderer() *Renderer {
	r := &Renderer{slots: make(chan struct{}, maxRendering)}
	r.known.Most = maxRemembered
	return r
}

// Render calls [Render], once for each key, and waits until ctx ends: then the rendering
// continues, and a later call returns its result. Errors: also ctx's.
func (r *Renderer) Render(ctx context.Context, key string, text []byte, links Links) (template.HTML, error) {
	if known, ok := r.known.Get(key); ok {
		return known.html, known.err
	}
	select {
	case r.slots <- struct{}{}:
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
	done := make(chan rendered, 1)
	go func() {
		defer func() { <-r.slots }()
		html, err := safely(text, links)
		r.known.Put(key, rendered{html, err})
		done <- rendered{html, err}
	}()
	select {
	case now := <-done:
		return now.html, now.err
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
}

// safely calls Render and recovers from panics, because a README may trigger a bug in a
// library.
func safely(text []byte, links Links) (html template.HTML, err error) {
	defer func() {
		if p := recover(); p != nil {
			html, err = "", ErrHostile
		}
	}()
	return Render(text, links)
}
