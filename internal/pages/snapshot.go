package pages

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/reader"
)

// snapshotData is the registry at a point in the past.
type snapshotData struct {
	Point  string // as in the request
	Past   reader.Past
	Config string // cargo's configuration
}

// snapshot shows a page at the address that cargo uses for a point in the past.
func (h *Handler) snapshot(r *http.Request) (page, error) {
	point := r.PathValue("point")
	if !index.IsDay(point) && !index.IsCommit(point) {
		return page{}, errNoDay
	}
	ctx, cancel := context.WithTimeout(r.Context(), pastTime)
	defer cancel()
	past, err := h.cfg.Mirror.At(ctx, point)
	switch {
	case ctx.Err() != nil && r.Context().Err() == nil:
		return page{}, reader.ErrBusy
	case errors.Is(err, fs.ErrNotExist):
		return page{}, h.noPoint(r.Context(), point)
	case err != nil:
		return page{}, h.ofThePast(r.Context(), "", point, err)
	}
	return page{template: "snapshot", Title: "The registry as of " + point, Data: snapshotData{point, past, h.snapshotConfig(r, point, past)}}, nil
}

// noPoint returns an error that says which points are available.
func (h *Handler) noPoint(ctx context.Context, point string) error {
	days, err := h.cfg.Mirror.Days(ctx)
	if err != nil {
		return err
	}
	if len(days) == 0 {
		return &missing{what: "This mirror keeps no day of its index's past yet."}
	}
	return &missing{what: fmt.Sprintf("The index of this mirror has nothing as of %s: it is kept from %s to %s.", point, days[0].Date, days[len(days)-1].Date)}
}
