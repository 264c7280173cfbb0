package durable

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// Link gives an open file another name in the folder to, which need not be the folder in
// which it was opened: a hard link to the open file, even if its other names have changed.
// It changes nothing and returns fs.ErrExist if anything has the name, and
// errors.ErrUnsupported where only a copy is possible: on another file system, on one
// without hard links, for another user's file.
//
// From then on all names are the same file: none of them may be written to.
func Link(f File, to FS, name string) error {
	l, ok := to.(interface {
		Link(f File, name string) error
	})
	if !ok {
		return errors.ErrUnsupported
	}
	return l.Link(f, name)
}

// Link is not a method of FS, because callers must not rely on it.
func (d *folder) Link(f File, name string) error {
	open, ok := f.(*file)
	if !ok {
		return errors.ErrUnsupported
	}
	local, err := d.local("link", name)
	if err != nil {
		return err
	}
	err = d.link(open.f, local)
	if err == nil {
		return nil
	}
	if err = Classify(err); linkImpossible(err) {
		err = fmt.Errorf("%w: %w", errors.ErrUnsupported, err)
	}
	return &os.LinkError{Op: "link", Old: open.f.Name(), New: d.full(name), Err: err}
}

// linkImpossible reports whether err is about this file and place, not about the disk.
func linkImpossible(err error) bool {
	return linkRefused(err) || errors.Is(err, syscall.EXDEV) || errors.Is(err, fs.ErrPermission) || errors.Is(err, fs.ErrNotExist)
}
