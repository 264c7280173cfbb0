package readme

import (
	"context"
	"html/template"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/recent"
)

const (
	// maxRendering is how many are rendered at a time, also if no request waits any more.
	maxRendering = 2
	// maxRemembered is how many are remembered.
	maxRemembered = 32
)

// A Renderer renders READMEs, and remembers what has become of them. The zero value is of
// no use: see [NewRenderer]. Its methods may be called concurrently.
type Renderer struct {
	slots chan struct{}
	known recent.Map[string, rendered]
}

type rendered struct {
	html template.HTML
	err  error
}

// NewRenderer returns one.
func NewRenderer() *Renderer {
	r := &Renderer{slots: make(chan struct{}, maxRendering)}
	r.known.Most = maxRemembered
	return r
}

// Render is [Render], once for each key, for as long as ctx lasts: after that the
// rendering continues, and a later call returns its result. Errors: also ctx's.
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

// safely is Render of libraries in which a README may find a bug.
func safely(text []byte, links Links) (html template.HTML, err error) {
	defer func() {
		if p := recover(); p != nil {
			html, err = "", ErrHostile
		}
	}()
	return Render(text, links)
}
