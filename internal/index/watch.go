package index

import (
	"context"
	"fmt"
	"io/fs"
	"os"
)

// A Watch finds out, with a few system calls, whether an open index may have another commit
// by now. Only one goroutine may use it.
type Watch struct {
	moved bool
	files []watched
}

// watched is the earlier state of a file.
type watched struct {
	name string
	info fs.FileInfo // nil: it did not exist
}

// Watch watches the files that git replaces when HEAD moves to another commit: HEAD itself,
// the branch that it names, packed-refs, or the list of a reftable. For a plain folder, it
// only notices that the folder is replaced.
func (x *Index) Watch(ctx context.Context) (*Watch, error) {
	if x.repo == nil {
		return watch([]string{x.dir}), nil
	}
	names, err := x.repo.HeadFiles(ctx)
	if err != nil {
		return nil, fmt.Errorf("watching index %s: %w", x.dir, err)
	}
	w := watch(names)
	// Read HEAD after the files: from then on no change is missed.
	head, err := x.repo.Head(ctx)
	if err != nil {
		return nil, fmt.Errorf("watching index %s: %w", x.dir, err)
	}
	w.moved = head != x.revision
	return w, nil
}

func watch(names []string) *Watch {
	w := &Watch{}
	for _, name := range names {
		info, _ := os.Stat(name) // an unreadable file counts as absent
		w.files = append(w.files, watched{name, info})
	}
	return w
}

// Moved reports whether anything has changed since Watch. Open the index again to find out
// what.
func (w *Watch) Moved() bool {
	for _, f := range w.files {
		w.moved = w.moved || f.changed()
	}
	return w.moved
}

func (f watched) changed() bool {
	info, _ := os.Stat(f.name)
	if info == nil || f.info == nil {
		return (info == nil) != (f.info == nil)
	}
	if info.IsDir() {
		return !os.SameFile(info, f.info)
	}
	return !os.SameFile(info, f.info) || info.Size() != f.info.Size() || !info.ModTime().Equal(f.info.ModTime())
}
