package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/reader"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

var (
	typeGzip     = []string{"application/gzip"}
	varyByAccept = []string{"Accept"}
	acceptBytes  = []string{"bytes"}
)

// crate answers requests for a crate file.
func (h *Handler) crate(w *response, r *http.Request, t target) error {
	id := crate.ID{Name: t.name, Version: t.version}
	f, err := h.openFor(r, id, t.sum)
	if errors.Is(err, fs.ErrNotExist) {
		return absent(err, "This mirror does not hold %s.", id)
	}
	if err != nil {
		return err
	}
	defer f.Close()
	if t.api {
		w.Header()["Vary"] = varyByAccept // caches keep the file permanently
		if wantsJSON(r) {
			return writeJSON(w, http.StatusOK, map[string]string{"url": h.publicURL.For(r) + "/crates/" + f.ID.URLPath()})
		}
	}
	header := w.Header()
	etag := `"` + f.Checksum.String() + `"`
	header["Etag"] = []string{etag}
	header["Cache-Control"], header["Content-Type"] = h.kept.forGood, typeGzip
	if small, ok := f.Content.(io.WriterTo); ok && wantsWhole(r) {
		header["Accept-Ranges"], header["Content-Length"] = acceptBytes, []string{strconv.FormatInt(f.Size(), 10)}
		_, _ = small.WriteTo(whole{w}) // an error is a client that disconnected
		return nil
	}
	if matches(r.Header["If-None-Match"], etag) {
		r.Header["If-None-Match"] = []string{etag} // as http.ServeContent reads it
	}
	// No client needs a thousand ranges of one file (H6).
	if ranges := r.Header["Range"]; len(ranges) > 1 || len(ranges) == 1 && strings.Contains(ranges[0], ",") {
		r.Header.Del("Range")
	}
	content := &watched{file: f}
	http.ServeContent(w, r, "", time.Time{}, content)
	if content.err != nil {
		return fmt.Errorf("reading the crate file of %s: %w", f.ID, content.err)
	}
	return nil
}

// wantsWhole reports whether a request needs none of the features of http.ServeContent: it
// asks for all bytes, unconditionally.
func wantsWhole(r *http.Request) bool {
	has := r.Header
	return r.Method == http.MethodGet && has["Range"] == nil && has["If-Match"] == nil && has["If-None-Match"] == nil
}

// whole writes a body with a single Write.
type whole struct{ *response }

func (w whole) Write(p []byte) (int, error) { return w.whole(p) }

// openFor opens what a request needs: it does not rebuild a crate to answer HEAD, or a
// client that has the file.
func (h *Handler) openFor(r *http.Request, id crate.ID, sum *crate.Checksum) (*reader.File, error) {
	ctx := store.ForClient(r.Context(), clientOf(r))
	has := r.Header["If-None-Match"]
	if r.Method != http.MethodHead && len(has) == 0 {
		return h.open(ctx, id, sum)
	}
	f, err := h.open(reader.HeadOnly(ctx), id, sum)
	if err != nil || !f.IsHead() || r.Method == http.MethodHead || matches(has, `"`+f.Checksum.String()+`"`) {
		return f, err
	}
	return h.open(ctx, id, sum)
}

// clientOf identifies the client for fair queueing: by its authenticated name, or else by
// its address.
func clientOf(r *http.Request) string {
	if client := store.Client(r.Context()); client != "" {
		return client
	}
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

// open opens the current bytes of a version, or those with a checksum that it has or had.
func (h *Handler) open(ctx context.Context, id crate.ID, sum *crate.Checksum) (*reader.File, error) {
	if sum == nil {
		return h.mirror.Open(ctx, id)
	}
	return h.mirror.OpenBytes(ctx, crate.Key{ID: id, Checksum: *sum})
}

func wantsJSON(r *http.Request) bool {
	return strings.Contains(r.Header.Get("Accept"), "application/json")
}
