package importtree

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
)

// maxDepth bounds the depth of folders that are searched.
const maxDepth = 64

// walker searches trees.
type walker struct {
	im       *Import
	found    sorter
	nameless *sums
}

func (w *walker) tree(ctx context.Context, tree int) error { return w.dir(ctx, tree, ".", 0) }

// dir searches a folder. If a folder cannot be listed, that is a problem of the tree; if the
// tree itself cannot, it is an error.
func (w *walker) dir(ctx context.Context, tree int, name string, depth int) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	t := w.im.cfg.Trees[tree]
	if depth > maxDepth {
		w.im.cfg.Progress.problem(&FileError{Path: t.Path(name), Err: errTooDeep})
		return nil
	}
	var below []string
	var failed error // our own error
	err := durable.EachEntries(t.Folder, name, func(entries []fs.DirEntry) error {
		for _, e := range entries {
			dir, err := w.entry(ctx, place{tree, path.Join(name, e.Name())}, e)
			if err != nil {
				failed = err
				return err
			}
			if dir {
				below = append(below, e.Name())
			}
		}
		return nil
	})
	switch {
	case failed != nil:
		return failed
	case err != nil && name == ".":
		return &FileError{Path: t.Dir, Err: err}
	case err != nil:
		w.im.cfg.Progress.problem(&FileError{Path: t.Path(name), Err: err})
	}
	slices.Sort(below)
	for _, dir := range below {
		if err := w.dir(ctx, tree, path.Join(name, dir), depth+1); err != nil {
			return err
		}
	}
	return nil
}

var errTooDeep = errors.New("it is more than 64 folders deep, and was not searched")

// entry handles an entry of a folder, and reports whether it is a folder to descend into.
func (w *walker) entry(ctx context.Context, p place, e fs.DirEntry) (dir bool, err error) {
	progress := w.im.cfg.Progress
	switch {
	case !fs.ValidPath(p.File): // no text: no program that keeps crates names files so
		progress.others.Add(1)
		return false, nil
	case e.IsDir():
		return !skipped(e.Name()) && !w.own(e), nil
	case !e.Type().IsRegular():
		progress.others.Add(1)
		return false, nil
	}
	progress.files.Add(1)
	if id, ok := Named(p.File); ok {
		progress.named.Add(1)
		return false, w.found.add(id, p)
	}
	if _, err := bundle.ParseFileName(e.Name()); err == nil {
		progress.bundle(w.im.cfg.Trees[p.Tree].Path(path.Dir(p.File)))
		return false, nil
	}
	if w.im.cfg.NamesOnly || isArchive(strings.ToLower(e.Name())) {
		return false, nil
	}
	return false, w.nameless.add(ctx, p)
}

// own reports whether a folder is the mirror's own.
func (w *walker) own(e fs.DirEntry) bool {
	if len(w.im.cfg.Skip) == 0 {
		return false
	}
	info, err := e.Info()
	return err == nil && slices.ContainsFunc(w.im.cfg.Skip, func(own fs.FileInfo) bool { return os.SameFile(own, info) })
}
