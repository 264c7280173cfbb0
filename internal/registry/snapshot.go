package registry

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/reader"
)

var errNoPoint = notFoundf("The snapshots of this mirror are at /snapshot/YYYY-MM-DD/, a day in UTC, and /snapshot/{commit}/, 7 to 40 hexadecimal digits of the id of a commit of the index. /api/v1/snapshots lists the days that are kept.")

// snapshot answers requests for config.json or the lines of a crate at a point in the past.
func (h *Handler) snapshot(w *response, r *http.Request, t target) error {
	past, err := h.at(r.Context(), t.point)
	if err != nil {
		return err
	}
	if t.name == "" {
		return h.snapshotConfig(w, r)
	}
	of := lines{past.Commit, h.snapshots, func(ctx context.Context, name string) (*reader.Crate, error) {
		return h.mirror.CrateAt(ctx, past.Commit, name)
	}}
	kept, err := h.lines(r, of, t.name)
	if err != nil {
		return err
	}
	if past.Final && kept.whole {
		return kept.write(w, r, h.kept.settled)
	}
	return kept.write(w, r, h.kept.shortUntil(kept.until, h.clock()))
}

// at returns the commit of a point, or an error that names the available ones.
func (h *Handler) at(ctx context.Context, point string) (reader.Past, error) {
	if point == "" {
		return reader.Past{}, errNoPoint
	}
	past, err := h.mirror.At(ctx, point)
	switch {
	case errors.Is(err, index.ErrNoPast):
		return past, notFoundf("The index of this mirror is a plain folder, which has no past: snapshots need a git index, as clonecratesio sync makes one.")
	case errors.Is(err, fs.ErrNotExist):
		return past, h.nearest(ctx, point)
	case err != nil:
		return past, fmt.Errorf("looking for %s in the past of the index: %w", point, err)
	}
	return past, nil
}

// nearest returns an error that tells a client which points are available.
func (h *Handler) nearest(ctx context.Context, point string) error {
	days, err := h.mirror.Days(ctx)
	if err != nil {
		return err
	}
	if len(days) == 0 {
		return notFoundf("This mirror keeps no day of its index's past, and so knows nothing of %s. It has what the index is now, of %s; clonecratesio sync keeps days from then on.",
			point, h.mirror.Totals().CommitTime.UTC().Format(time.DateOnly))
	}
	first, last := days[0].Date, days[len(days)-1].Date
	if index.IsCommit(point) {
		return notFoundf("The index of this mirror has no commit %s, or several whose ids begin so. The days that it keeps are from %s to %s: /api/v1/snapshots lists their commits.", point, first, last)
	}
	return notFoundf("The index of this mirror is not kept from as early as %s. The nearest day that is kept is %s, the last one %s: /api/v1/snapshots lists them all.", point, first, last)
}

type pointsAnswer struct {
	Snapshots []apiDay   `json:"snapshots"`
	Meta      searchMeta `json:"meta"`
}

type apiDay struct {
	Day string `json:"day"`
	apiCommit
}

type apiCommit struct {
	Commit string `json:"commit"`
	Time   string `json:"time"` // RFC 3339, UTC
}

type pointAnswer struct {
	Snapshot apiPoint `json:"snapshot"`
}

type apiPoint struct {
	apiCommit
	Final bool   `json:"final"` // the point leads to no other commit, ever
	Index string `json:"index"` // for cargo, of this commit
}

// points answers with the available days, the oldest first, or with the commit of one
// point.
func (h *Handler) points(w *response, r *http.Request, point string) error {
	if point != "" {
		return h.point(w, r, point)
	}
	days, err := h.mirror.Days(r.Context())
	if err != nil {
		return err
	}
	answer := pointsAnswer{Snapshots: make([]apiDay, 0, len(days)), Meta: searchMeta{len(days)}}
	for _, d := range days {
		answer.Snapshots = append(answer.Snapshots, apiDay{d.Date, describeCommit(d.Revision)})
	}
	return writeJSON(w, http.StatusOK, answer)
}

func (h *Handler) point(w *response, r *http.Request, point string) error {
	past, err := h.at(r.Context(), point)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, pointAnswer{apiPoint{
		apiCommit: describeCommit(past.Revision), Final: past.Final,
		Index: "sparse+" + h.publicURL.For(r) + "/snapshot/" + past.Commit + "/",
	}})
}

func describeCommit(rev index.Revision) apiCommit {
	return apiCommit{rev.Commit, rev.Time.UTC().Format(time.RFC3339)}
}
