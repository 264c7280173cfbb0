package index

import (
	"context"
	"fmt"
	"io/fs"
	"os"
)

// A Watch tells, for the price of some system calls, whether an index that was
// opened may have another commit by now. It is for one goroutine.
type Watch struct {
	moved bool
	files []watched
}

// watched is a file as it was.
type watched struct {
	name string
	info fs.FileInfo // nil: there was none
}

// Watch watches the files that git replaces when HEAD moves to another commit: HEAD
// itself, the branch that it names, packed-refs, or the list of a reftable. Of a plain
// folder, only its replacement is seen.
func (x *Index) Watch(ctx context.Context) (*Watch, error) {
	if x.repo == nil {
		return watch([]string{x.dir}), nil
	}
	names, err := x.repo.HeadFiles(ctx)
	if err != nil {
		return nil, fmt.Errorf("watching index %s: %w", x.dir, err)
	}
	w := watch(names)
	// Seen after the files: from then on nothing is missed.
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
		info, _ := os.Stat(name) // what cannot be seen is as good as absent
		w.files = append(w.files, watched{name, info})
	}
	return w
}

// Moved reports whether something has changed since Watch. To know what, open
// the index again.
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
