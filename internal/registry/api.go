package registry

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/reader"
)

// Page sizes of a search, as on crates.io.
const (
	defaultPerPage = 10
	maxPerPage     = 100
)

// aboutTime is how long a response waits for descriptions, which are read from crate files
// on first use.
const aboutTime = 150 * time.Millisecond

type apiErrors struct {
	Errors []apiError `json:"errors"`
}

type apiError struct {
	Detail string `json:"detail"`
}

type searchAnswer struct {
	Crates []apiCrate `json:"crates"`
	Meta   searchMeta `json:"meta"`
}

type searchMeta struct {
	Total int `json:"total"`
}

// apiCrate has the fields that cargo reads, and those that cost nothing.
type apiCrate struct {
	ID               string  `json:"id"`
	Name             string  `json:"name"`
	Description      *string `json:"description"` // null: unknown
	MaxVersion       string  `json:"max_version"`
	MaxStableVersion *string `json:"max_stable_version"`
}

type crateAnswer struct {
	Crate    apiCrate     `json:"crate"`
	Versions []apiVersion `json:"versions"`
}

type apiVersion struct {
	Crate    string `json:"crate"`
	Num      string `json:"num"`
	Yanked   bool   `json:"yanked"`
	Checksum string `json:"checksum"`
	Size     int64  `json:"crate_size"`
	Path     string `json:"dl_path"`
}

// search answers "cargo search" (cargo book, Registry Web API, "Search").
func (h *Handler) search(w *response, r *http.Request) error {
	query := r.URL.Query()
	perPage, err := number(query, "per_page", defaultPerPage, maxPerPage)
	if err != nil {
		return err
	}
	page, err := number(query, "page", 1, 1<<20)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), aboutTime)
	defer cancel()
	names, total := h.mirror.Search(query.Get("q"), (page-1)*perPage, perPage)
	answer := searchAnswer{Crates: []apiCrate{}, Meta: searchMeta{total}}
	for _, name := range names {
		c, err := h.mirror.Crate(r.Context(), name)
		if errors.Is(err, fs.ErrNotExist) {
			continue // removed since it was found
		}
		if err != nil {
			return fmt.Errorf("reading the index entry of %s: %w", name, err)
		}
		answer.Crates = append(answer.Crates, h.describe(ctx, c))
	}
	return writeJSON(w, http.StatusOK, answer)
}

// number parses a number of a query, from 1 to most.
func number(query url.Values, key string, otherwise, most int) (int, error) {
	s := query.Get(key)
	if s == "" {
		return otherwise, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > most {
		return 0, &refusal{http.StatusBadRequest, fmt.Sprintf("%s must be a number from 1 to %d.", key, most)}
	}
	return n, nil
}

// about answers requests for one crate.
func (h *Handler) about(w *response, r *http.Request, name string) error {
	c, err := h.mirror.Crate(r.Context(), name)
	if errors.Is(err, fs.ErrNotExist) {
		return absent(err, "This mirror holds no version of a crate %q.", name)
	}
	if err != nil {
		return fmt.Errorf("reading the index entry of %s: %w", name, err)
	}
	ctx, cancel := context.WithTimeout(r.Context(), aboutTime)
	defer cancel()
	answer := crateAnswer{Crate: h.describe(ctx, c), Versions: []apiVersion{}}
	for i := len(c.Entries) - 1; i >= 0; i-- { // the newest first
		e := &c.Entries[i]
		answer.Versions = append(answer.Versions, apiVersion{
			Crate: e.Name, Num: e.Version, Yanked: e.Yanked, Checksum: e.Checksum.String(), Size: e.Size,
			Path: h.publicURL.Path() + "/api/v1/crates/" + e.Name + "/" + url.PathEscape(e.Version) + "/download",
		})
	}
	return writeJSON(w, http.StatusOK, answer)
}

// describe returns a crate, with its description if that is available in time.
func (h *Handler) describe(ctx context.Context, c *reader.Crate) apiCrate {
	answer := apiCrate{ID: c.Name, Name: c.Name}
	best := c.Newest()
	answer.MaxVersion = best.Version
	if !best.Yanked && !crate.IsPrerelease(best.Version) {
		answer.MaxStableVersion = &best.Version
	}
	if ctx.Err() == nil && best.Held {
		if about, err := h.mirror.About(ctx, best.Key()); err == nil && about.Description != "" {
			answer.Description = &about.Description
		}
	}
	return answer
}

// writeJSON answers with v, which caches must soon revalidate because what is held changes.
func writeJSON(w *response, code int, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("writing an answer: %w", err)
	}
	header := w.Header()
	header.Set("Content-Type", "application/json")
	header.Set("Content-Length", strconv.Itoa(len(body)))
	header.Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	_, _ = w.Write(body) // an error is a client that disconnected; HEAD has no body
	return nil
}
