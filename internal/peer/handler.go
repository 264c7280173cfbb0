// Package peer serves a mirror to other mirrors in the form of a bucket (package root), so that
// they can copy it by bundles, ranges and hashes.
//
//	/replicate/mirror.json      the root
//	/replicate/bundles/NAME     a bundle, or the list beside it
//	/replicate/deep/NAME        a segment of the deep archive
//	/replicate/index/NAME       a git bundle of the index
//	/replicate/catalog/NAME     a snapshot of the catalog
//
// A replica of a bucket serves what it has copied, and reads the rest from the bucket. A mirror on
// a disk ([Folder]) serves its finished bundles and segments; its root is made from the catalog,
// and names no index, which its peers get from a source that they trust.
//
// Only objects that the root names are served. Clients see the root without the identity of its
// writers. ETags are the SHA-256 from the root, so ranges of different objects never mix.
package peer

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/root"
)

// Prefix begins the paths of the handler.
const Prefix = "/replicate/"

// Source is a mirror to serve.
type Source interface {
	// Root returns the root. Errors: fs.ErrNotExist if there is nothing to serve.
	Root(ctx context.Context) (*root.Root, error)
	// Get returns bytes of an object that the root names.
	Get(ctx context.Context, key string, ask bucket.Ask) (io.ReadCloser, bucket.Object, error)
}

// Handler answers GET and HEAD below Prefix.
func Handler(s Source) http.Handler { return handler{s} }

type handler struct{ source Source }

func (h handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	err := h.answer(w, r, strings.TrimPrefix(r.URL.Path, Prefix))
	switch {
	case err == nil:
	case errors.Is(err, fs.ErrNotExist):
		http.Error(w, "This mirror's root does not name it.", http.StatusNotFound)
	default:
		http.Error(w, "This mirror cannot show it now. Ask again in a moment.", http.StatusServiceUnavailable)
	}
}

func (h handler) answer(w http.ResponseWriter, r *http.Request, key string) error {
	now, err := h.source.Root(r.Context())
	if err != nil {
		return err
	}
	if key == root.Name {
		return showRoot(w, r, now)
	}
	f, ok := find(now, key)
	if !ok {
		return fs.ErrNotExist
	}
	o := &object{ctx: r.Context(), source: h.source, key: key, size: f.Size}
	if err := o.open(); err != nil { // before headers are sent
		return err
	}
	defer o.close()
	header := w.Header()
	header.Set("ETag", `"`+f.SHA256.String()+`"`)
	header.Set("Content-Type", "application/octet-stream")
	header.Set("Cache-Control", "public, max-age=31536000, immutable")
	oneRange(r)
	http.ServeContent(w, r, "", time.Time{}, o)
	return nil
}

func showRoot(w http.ResponseWriter, r *http.Request, now *root.Root) error {
	data, err := withoutOwners(now).Append(nil)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(data)
	w.Header().Set("ETag", `"`+hex.EncodeToString(sum[:])+`"`)
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-cache")
	oneRange(r)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
	return nil
}

// withoutOwners returns a root without the machines and folders of its writers, which are
// only for readers of the bucket.
func withoutOwners(r *root.Root) *root.Root {
	public := *r
	public.Writers = maps.Clone(r.Writers)
	for shard, w := range public.Writers {
		w.Owner = ""
		public.Writers[shard] = w
	}
	return &public
}

// oneRange replaces a request for several ranges, which no client needs, by one for the
// whole object.
func oneRange(r *http.Request) {
	if ranges := r.Header["Range"]; len(ranges) > 1 || len(ranges) == 1 && strings.Contains(ranges[0], ",") {
		r.Header.Del("Range")
	}
}

// find returns a root's entry for a key.
func find(r *root.Root, key string) (root.File, bool) {
	dir, name := path.Split(key)
	var files []root.File
	switch dir {
	case root.BundlesDir + "/":
		files = r.Bundles
	case root.DeepDir + "/":
		files = r.Segments
	case root.IndexDir + "/":
		files = r.Index.Chain
	case root.CatalogDir + "/":
		if r.Catalog != nil {
			files = []root.File{r.Catalog.File}
		}
	}
	for _, f := range files {
		if f.Name == name {
			return f, true
		}
		for _, l := range f.Lists {
			if l.Name == name {
				return l, true
			}
		}
	}
	return root.File{}, false
}
