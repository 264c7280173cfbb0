package durable

import (
	"cmp"
	"errors"
	"io"
	"io/fs"
	"os"
)

// listed is how many entries of a folder EachEntries passes at a time.
const listed = 4096

// EachEntries lists a folder like ReadDir, some thousand entries at a time and in no
// particular order, so that memory does not grow with the folder. An error of each ends it.
func EachEntries(r Reader, name string, each func([]fs.DirEntry) error) error {
	if d, ok := r.(*folder); ok {
		return d.eachEntries(name, each)
	}
	entries, err := r.ReadDir(name)
	if err != nil || len(entries) == 0 {
		return err
	}
	return each(entries)
}

func (d *folder) eachEntries(name string, each func([]fs.DirEntry) error) (err error) {
	local, err := d.local("readdir", name)
	if err != nil {
		return err
	}
	f, err := d.root.OpenFile(local, os.O_RDONLY|dirFlag, 0)
	if err != nil {
		return PathError("readdir", d.full(name), err)
	}
	defer func() { err = cmp.Or(err, PathError("readdir", d.full(name), f.Close())) }()
	for {
		entries, err := f.ReadDir(listed)
		if len(entries) > 0 {
			if err := each(entries); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return PathError("readdir", d.full(name), err)
		}
	}
}
