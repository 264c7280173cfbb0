package pages

import (
	"context"
	"errors"
	"html/template"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/browse"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/reader"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/readme"
)

// readmeTime is how long a page waits for a README.
const readmeTime = 2 * time.Second

// readmeData is the README of a version, or why it is not shown.
type readmeData struct {
	HTML template.HTML
	Text string // if it is not Markdown, or cannot be rendered
	Why  string // why it is not shown, or not completely
	File string // URL of the file
}

// readme returns the README of a version, or nil if there is none, and the content of its
// crate file, or nil if that is unknown.
func (h *Handler) readme(ctx context.Context, e *reader.Entry) (*readmeData, *browse.Tree) {
	ctx, cancel := context.WithTimeout(ctx, readmeTime)
	defer cancel()
	if !e.Held {
		return nil, nil
	}
	open, err := h.open(ctx, e)
	if err != nil {
		return nil, nil // the page reports the file's problem
	}
	tree, text, err := h.cfg.Files.Readme(ctx, open, maxSource)
	if tree == nil {
		if ctx.Err() != nil {
			return &readmeData{Why: "The crate file takes long to unpack.", File: h.filesPath(e.ID, "files", "")}, nil
		}
		return nil, nil
	}
	if tree.Readme == "" {
		return nil, tree
	}
	data := &readmeData{File: h.filesPath(e.ID, "files", tree.Readme)}
	switch {
	case errors.Is(err, browse.ErrLarge):
		data.Why = "The README is too large to be shown here."
	case err != nil || !browse.IsText(text):
		data.Why = "The README cannot be shown."
	default:
		h.render(ctx, data, tree, e.Checksum, text)
	}
	return data, tree
}

func (h *Handler) render(ctx context.Context, data *readmeData, tree *browse.Tree, sum crate.Checksum, text []byte) {
	if len(text) > readme.MaxSize {
		data.Why = "This is the beginning of the README."
	}
	if !readme.IsMarkdown(tree.Readme) {
		data.Text = clip(string(text), readme.MaxSize)
		return
	}
	html, err := h.readmes.Render(ctx, sum.String(), text, readme.Links{
		Path: tree.Readme,
		File: func(name string) string {
			if _, ok := tree.File(name); !ok && !tree.IsFolder(name) {
				return ""
			}
			return h.filesPath(tree.ID, "files", name)
		},
		Image: func(name string) string {
			if _, ok := tree.File(name); !ok || imageType(name) == "" {
				return ""
			}
			return h.filesPath(tree.ID, "image", name)
		},
	})
	if data.HTML = html; err != nil {
		data.Text, data.Why = clip(string(text), readme.MaxSize), "The README cannot be rendered, so this is its text."
	}
}
