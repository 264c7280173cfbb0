package pages

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/browse"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/reader"
)

const (
	// filesTime limits the time to make a page of files: a crate file can be crafted to
	// take seconds to unpack.
	filesTime = 10 * time.Second
	// maxReading limits the number of such pages that are made and sent at a time.
	maxReading = 16

	maxSource      = 512 << 10 // size of a file that is shown, bytes
	maxSourceLines = 10_000
	maxRaw         = 4 << 20 // size of a file that is sent as it is, bytes
)

type filesData struct {
	crate.ID
	Path   string     // of the folder or file; empty: the root
	Trail  []ancestor // the parent folders
	Others []string   // versions to compare with
	With   string     // the chosen one
	Tree   *browse.Tree
	Items  []item // of a folder
	More   int    // number of items not shown

	File  *browse.File // nil: a folder
	Lines []string
	Why   string // why no line is shown
	Raw   string // URL; empty: too large
	Image string // URL; empty: not an image
}

// An ancestor is a parent folder of a file.
type ancestor struct{ Name, URL string }

// An item is an entry of a folder.
type item struct {
	Name, URL string
	Folder    bool
	Size      int64 // of a file
}

// contents opens the crate file of a version to show its content, which is visible exactly
// if the file may be downloaded.
func (h *Handler) contents(ctx context.Context, id crate.ID) (browse.Crate, *reader.Crate, error) {
	c, err := h.lookUp(ctx, id)
	if err != nil {
		return browse.Crate{}, nil, err
	}
	e, err := h.entry(c, id.Version)
	if err != nil {
		return browse.Crate{}, nil, err
	}
	open, err := h.open(ctx, e)
	return open, c, err
}

// open opens the crate file of an entry. Errors: *missing; others.
func (h *Handler) open(ctx context.Context, e *reader.Entry) (browse.Crate, error) {
	if !e.Held {
		return browse.Crate{}, &missing{what: fmt.Sprintf("The index names %s, but its file is not held here yet.", e.ID)}
	}
	f, err := h.cfg.Mirror.OpenBytes(ctx, e.Key())
	if refusal, ok := errors.AsType[reader.Refusal](err); ok {
		_, text := refusal.Refuse()
		return browse.Crate{}, &missing{what: text, title: hiddenHere}
	}
	if _, ok := errors.AsType[*reader.DamagedError](err); ok {
		return browse.Crate{}, &missing{what: fmt.Sprintf("The copy of %s is damaged, so nothing of it is shown. The operator of this mirror gets it again with clonecratesio verify -repair.", e.ID), title: "Damaged"}
	}
	if err != nil {
		return browse.Crate{}, err
	}
	return browse.Crate{Key: e.Key(), Content: f}, nil
}

// withFiles limits the number of requests that read crate files at a time, and their
// duration.
func (h *Handler) withFiles(f http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), filesTime)
		defer cancel()
		select {
		case h.reading <- struct{}{}:
			defer func() { <-h.reading }()
			f(w, r.WithContext(ctx))
		case <-ctx.Done():
			h.problem(w, r, errUnpacking)
		}
	}
}

// errUnpacking is the error if unpacking takes too long.
var errUnpacking = fmt.Errorf("unpacking a crate file takes too long: %w", context.DeadlineExceeded)

// ofFiles turns an error of a crate file into the error for the visitor.
func ofFiles(ctx context.Context, id crate.ID, err error) error {
	_, miss := errors.AsType[*missing](err)
	switch {
	case err == nil || miss:
		return err
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return errUnpacking
	case errors.Is(err, fs.ErrNotExist):
		return &missing{what: fmt.Sprintf("There is no such file in %s.", id)}
	case ctx.Err() != nil:
		return err
	}
	// The bytes have the right checksum: the author published them so.
	return &missing{what: fmt.Sprintf("What is in %s cannot be shown: %v.", id, err), title: "Not a crate file"}
}

// files shows a folder or a file of a crate.
func (h *Handler) files(r *http.Request) (page, error) {
	ctx, id := r.Context(), crate.ID{Name: r.PathValue("name"), Version: r.PathValue("version")}
	open, c, err := h.contents(ctx, id)
	if err != nil {
		return page{}, err
	}
	tree, err := h.cfg.Files.Tree(ctx, open)
	if err != nil {
		return page{}, ofFiles(ctx, id, err)
	}
	data := filesData{ID: id, Path: strings.TrimSuffix(r.PathValue("path"), "/"), Tree: tree, Others: othersOf(c, id.Version), With: before(c, id.Version)}
	data.Trail = h.trail(id, data.Path)
	title := id.String()
	if data.Path != "" {
		title = data.Path + " · " + title
	}
	if f, ok := tree.File(data.Path); ok {
		err = h.addFile(ctx, &data, f)
	} else {
		err = h.addFolder(&data)
	}
	return page{template: "files", Title: title, Data: data}, err
}

// filesPath returns the URL of a folder or file; what is files, raw or image.
func (h *Handler) filesPath(id crate.ID, what, name string) string {
	parts := []string{"crate", id.Name, id.Version, what}
	if name != "" {
		parts = append(parts, strings.Split(name, "/")...)
	}
	return h.pages.path(parts...)
}

func (h *Handler) trail(id crate.ID, name string) (steps []ancestor) {
	for at, b := range []byte(name) {
		if b == '/' {
			steps = append(steps, ancestor{path.Base(name[:at]), h.filesPath(id, "files", name[:at])})
		}
	}
	return steps
}

// addFolder adds the content of a folder: first the folders, then the files.
func (h *Handler) addFolder(data *filesData) error {
	prefix := ""
	if data.Path != "" {
		prefix = data.Path + "/"
	}
	var files []item
	for i := range data.Tree.Files {
		f := &data.Tree.Files[i]
		rest, ok := strings.CutPrefix(f.Path, prefix)
		if !ok {
			continue
		}
		name, _, deeper := strings.Cut(rest, "/")
		switch n := len(data.Items); {
		case !deeper:
			files = append(files, item{Name: name, URL: h.filesPath(data.ID, "files", f.Path), Size: f.Size})
		case n == 0 || data.Items[n-1].Name != name:
			data.Items = append(data.Items, item{Name: name, URL: h.filesPath(data.ID, "files", prefix+name), Folder: true})
		}
	}
	data.Items = append(data.Items, files...)
	if len(data.Items) == 0 && data.Path != "" {
		return ofFiles(context.Background(), data.ID, fs.ErrNotExist)
	}
	data.Items, data.More = first(data.Items, maxItems)
	return nil
}

func (h *Handler) addFile(ctx context.Context, data *filesData, f *browse.File) error {
	data.File = f
	if f.Size <= maxRaw {
		data.Raw = h.filesPath(data.ID, "raw", f.Path)
		if imageType(f.Path) != "" {
			data.Image = h.filesPath(data.ID, "image", f.Path)
			return nil
		}
	}
	open, _, err := h.contents(ctx, data.ID)
	if err != nil {
		return err
	}
	_, text, err := h.cfg.Files.Read(ctx, open, f.Path, maxSource)
	switch {
	case errors.Is(err, browse.ErrLarge):
		data.Why = "It is too large to be shown here."
		return nil
	case err != nil:
		return ofFiles(ctx, data.ID, err)
	case !browse.IsText(text):
		data.Why = "It is no text."
		return nil
	}
	for line := range bytes.Lines(text) {
		if len(data.Lines) == maxSourceLines {
			data.More++
			continue
		}
		data.Lines = append(data.Lines, strings.TrimRight(string(line), "\r\n"))
	}
	return nil
}

// raw sends a file of a crate as text that no browser interprets.
func (h *Handler) raw(w http.ResponseWriter, r *http.Request) {
	h.give(w, r, "text/plain; charset=utf-8")
}

// image sends a file of a crate as an image.
func (h *Handler) image(w http.ResponseWriter, r *http.Request) {
	kind := imageType(r.PathValue("path"))
	if kind == "" {
		h.page(notFound)(w, r)
		return
	}
	h.give(w, r, kind)
}

// imageTypes are image types without active content. SVG is not among them.
var imageTypes = map[string]string{".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".gif": "image/gif", ".webp": "image/webp"}

func imageType(name string) string { return imageTypes[strings.ToLower(path.Ext(name))] }

// sandbox is for untrusted files, in case a user opens one directly.
const sandbox = "default-src 'none'; sandbox; frame-ancestors 'none'"

func (h *Handler) give(w http.ResponseWriter, r *http.Request, contentType string) {
	ctx, id := r.Context(), crate.ID{Name: r.PathValue("name"), Version: r.PathValue("version")}
	open, _, err := h.contents(ctx, id)
	var data []byte
	if err == nil {
		_, data, err = h.cfg.Files.Read(ctx, open, r.PathValue("path"), maxRaw)
	}
	if errors.Is(err, browse.ErrLarge) {
		err = &missing{what: "This file is too large to show: download the crate."}
	}
	if err != nil {
		h.problem(w, r, ofFiles(ctx, id, err))
		return
	}
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Security-Policy", sandbox)
	w.Header().Set("Cache-Control", "no-cache")
	serveBody(w, r, data)
}
