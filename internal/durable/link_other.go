//go:build !linux

package durable

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

func cloneFile(_, _ *os.File) error { return errors.ErrUnsupported }

// link links the file by its name, and checks that this was still its name.
func (d *folder) link(f *os.File, name string) error {
	if err := os.Link(f.Name(), filepath.Join(d.root.Name(), name)); err != nil {
		return err
	}
	opened, err := f.Stat()
	linked, linkedErr := d.root.Lstat(name)
	if err = errors.Join(err, linkedErr); err == nil && !os.SameFile(opened, linked) {
		err = fs.ErrNotExist
	}
	if err != nil {
		return errors.Join(err, d.root.Remove(name))
	}
	return nil
}
