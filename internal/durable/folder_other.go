//go:build !linux

package durable

import (
	"errors"
	"io/fs"
	"os"
)

// system is empty: os.Root does everything except what is in this file.
type system struct{}

func (d *folder) init() error        { return nil }
func (d *folder) closeSystem() error { return nil }

// openFile opens a file, or creates one with perm, and does not follow a link in the last
// element. os.Root would follow one that stays inside, so the opened file must be the one
// that Lstat saw.
func (d *folder) openFile(name string, flag int, perm fs.FileMode) (*os.File, error) {
	if flag&os.O_EXCL != 0 { // follows nothing
		return d.root.OpenFile(name, flag, perm)
	}
	seen, err := d.root.Lstat(name)
	if err != nil {
		return nil, err
	}
	if !seen.Mode().IsRegular() {
		return nil, ErrNotRegular
	}
	f, err := d.root.OpenFile(name, flag|nonblockFlag, 0)
	if err != nil {
		return nil, err
	}
	opened, err := f.Stat()
	if err == nil && !os.SameFile(seen, opened) {
		err = ErrNotRegular
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

func (d *folder) mkdirAll(name string) error {
	if info, err := d.root.Lstat(name); err == nil && info.IsDir() {
		return nil
	}
	return d.makeAll(d.root, name)
}

func (d *folder) lstat(name string) (fs.FileInfo, error) { return d.root.Lstat(name) }

func (d *folder) publish(temp, name string) error { return publishByLink(d.root, temp, name) }

func (d *folder) replace(temp, name string) error { return d.root.Rename(temp, name) }

func (d *folder) remove(name string) error { return d.root.Remove(name) }

func (d *folder) syncAll() error { return errors.ErrUnsupported }
