package registry

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"strconv"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/reader"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

// A refusal is a client error, with the text that the client receives.
type refusal struct {
	code int
	text string
}

func (e *refusal) Error() string { return e.text }

func notFoundf(format string, args ...any) error {
	return &refusal{http.StatusNotFound, fmt.Sprintf(format, args...)}
}

var (
	errNoSuchPath = notFoundf("No crate can have this path.")
	errNoPages    = notFoundf("There is nothing here. cargo finds this mirror's index below /index/.")
	errNoSuchAPI  = notFoundf("This is a read-only mirror. It knows crates, versions and downloads, but no owners and no accounts: ask the registry itself (with cargo: --registry crates-io).")
	errMethod     = &refusal{http.StatusMethodNotAllowed, "This mirror is read-only: GET and HEAD."}
	errWrite      = &refusal{http.StatusMethodNotAllowed, "This is a read-only mirror: publish, yank and change owners at the registry itself (with cargo: --registry crates-io)."}
	errBody       = &refusal{http.StatusBadRequest, "Requests have no body here."}
)

// Refusal is an error of a [Mirror] that says how to answer the client.
type Refusal = reader.Refusal

// absent turns fs.ErrNotExist in err into a refusal: the Refusal's own text, or else the
// given one.
func absent(err error, format string, args ...any) error {
	if _, ok := errors.AsType[Refusal](err); ok {
		return err
	}
	return notFoundf(format, args...)
}

// statusOf maps an error to its response; it is the only such table.
func statusOf(err error) *refusal {
	var refused *refusal
	var ofMirror Refusal
	var damaged *reader.DamagedError
	switch {
	case errors.As(err, &refused):
		return refused
	case errors.As(err, &ofMirror):
		code, text := ofMirror.Refuse()
		return &refusal{code, text}
	case store.IsBusy(err):
		return &refusal{http.StatusServiceUnavailable, "This mirror has more crates to rebuild than it can at a time. Ask again in a moment."}
	case errors.Is(err, store.ErrAway):
		return &refusal{http.StatusServiceUnavailable, "The bucket that has this crate cannot be reached. Ask again in a moment."}
	case errors.As(err, &damaged):
		return &refusal{http.StatusInternalServerError, "This mirror's copy is damaged and is not sent. Its operator has been told, in the log."}
	case errors.Is(err, fs.ErrNotExist):
		return &refusal{http.StatusNotFound, "This mirror does not hold it."}
	case errors.Is(err, context.Canceled):
		return &refusal{499, "The client went away."} // nginx's number; no client reads it
	}
	return &refusal{http.StatusInternalServerError, "This mirror has failed. Its operator has been told, in the log."}
}

// fail answers with an error, and logs it if the fault is ours. It returns false if it was
// too late to tell the client.
func (h *Handler) fail(w *response, r *http.Request, t target, err error) (told bool) {
	status := statusOf(err)
	if damaged := new(*reader.DamagedError); errors.As(err, damaged) {
		h.metrics.damaged.Inc()
		h.log.Error("a crate is damaged and was not sent: clonecratesio verify -repair fetches it again", "err", err)
	} else if status.code >= http.StatusInternalServerError && !store.IsBusy(err) && !errors.Is(err, store.ErrAway) { // metrics count those
		h.log.Error("answering a request", "path", r.URL.Path, "err", err)
	}
	if w.code != 0 {
		return false
	}
	header := w.Header()
	header.Set("Cache-Control", "no-store")
	if busy := new(store.BusyError); errors.As(err, &busy) {
		header.Set("Retry-After", strconv.Itoa(max(1, int(busy.RetryAfter.Seconds()))))
	}
	if errors.Is(err, store.ErrAway) {
		header.Set("Retry-After", "5")
	}
	if status.code == http.StatusMethodNotAllowed {
		header.Set("Allow", "GET, HEAD")
	}
	if t.api { // cargo prints the detail; for any other body, all headers
		return writeJSON(w, status.code, apiErrors{[]apiError{{status.text}}}) == nil
	}
	http.Error(w, status.text, status.code)
	return true
}
