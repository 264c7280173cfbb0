package durable

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// Link gives an open file one more name, in the folder to, which need not be
// the one that it was opened in: a hard link to the very file that is open,
// whatever has become of its other names. It fails with fs.ErrExist, changing
// nothing, if anything is there already, and with errors.ErrUnsupported where a
// link cannot be had but a copy can: on another file system, on one without
// hard links, of another user's file.
//
// All names are one file from then on: none of them may be written to.
func Link(f File, to FS, name string) error {
	l, ok := to.(interface {
		Link(f File, name string) error
	})
	if !ok {
		return errors.ErrUnsupported
	}
	return l.Link(f, name)
}

// Link is no method of FS, because callers must not count on it.
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

// linkImpossible reports whether err is about this file and this place, and not
// about the disk.
func linkImpossible(err error) bool {
	return linkRefused(err) || errors.Is(err, syscall.EXDEV) || errors.Is(err, fs.ErrPermission) || errors.Is(err, fs.ErrNotExist)
}
