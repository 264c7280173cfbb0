package durable

import (
	"os"
	"path/filepath"
	"strings"
)

// makeAll creates the folder name in root and its parents, and changes the owner of those
// that were missing.
func (o owner) makeAll(root *os.Root, name string) error {
	if !o.gives() {
		return root.MkdirAll(name, dirPerm)
	}
	up := ""
	for part := range strings.SplitSeq(name, string(filepath.Separator)) {
		up = filepath.Join(up, part)
		if root.Mkdir(up, dirPerm) != nil {
			continue // it exists; MkdirAll reports other errors
		}
		f, err := root.OpenFile(up, os.O_RDONLY|dirFlag, 0)
		if err != nil {
			return err
		}
		o.give(f)
		if err := f.Close(); err != nil {
			return err
		}
	}
	return root.MkdirAll(name, dirPerm)
}

// makeFolder creates a folder and its parents below above, which exists.
func makeFolder(dir, above string) error {
	if _, err := os.Stat(dir); err == nil {
		return os.MkdirAll(dir, dirPerm) // fails if it is not a folder
	}
	root, err := os.OpenRoot(above)
	if err != nil {
		return err
	}
	defer root.Close()
	top, err := root.Open(".")
	if err != nil {
		return err
	}
	defer top.Close()
	below, err := filepath.Rel(above, dir)
	if err != nil {
		return err
	}
	return ownerOf(top).makeAll(root, below)
}
