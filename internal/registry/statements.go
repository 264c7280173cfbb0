package registry

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/tilelog"
)

var (
	errNoLog  = notFoundf("This mirror has made no statement about what it holds (clonecratesio attest makes one).")
	errNoTile = notFoundf("The last checkpoint covers no such tile, or there is a full one in its place.")
)

// c2sp.org/tlog-tiles: the checkpoint must not be cached for more than seconds.
var (
	forSeconds     = []string{"public, max-age=2"}
	typeCheckpoint = []string{"text/plain; charset=utf-8"}
	typeTile       = []string{"application/octet-stream"}
)

// statements answers with a file of the log. It opens the folder for each request, because
// the folder may appear or be replaced while a server runs.
func (h *Handler) statements(w *response, r *http.Request, name string) error {
	if h.logDir == "" {
		return errNoLog
	}
	folder, err := durable.Open(h.logDir)
	if errors.Is(err, fs.ErrNotExist) {
		return errNoLog
	}
	if err != nil {
		return fmt.Errorf("opening the log: %w", err)
	}
	defer folder.Close()
	data, err := tilelog.ReadFile(folder, name)
	switch {
	case errors.Is(err, tilelog.ErrNoLog):
		return errNoLog
	case errors.Is(err, tilelog.ErrNoTile):
		return errNoTile
	case err != nil:
		return fmt.Errorf("reading %s of the log: %w", name, err)
	}
	header := w.Header()
	header["Cache-Control"], header["Content-Type"] = h.kept.forGood, typeTile
	if name == tilelog.CheckpointName {
		header["Cache-Control"], header["Content-Type"] = forSeconds, typeCheckpoint
	}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
	return nil
}
