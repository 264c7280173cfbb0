package durable

import (
	"errors"
	"io/fs"
	"os"
)

// publishByLink publishes without a rename that refuses to replace: a hard link never
// replaces an existing name.
//
// If it is interrupted between the two steps, the file has both names. Nothing is lost, and
// a second Publish of the same two names completes it; Append refuses such a file, so that
// the published bytes cannot be written to under the temporary name.
func publishByLink(root *os.Root, temp, name string) error {
	err := root.Link(temp, name)
	switch {
	case err == nil:
	case errors.Is(err, fs.ErrExist):
		if !sameFile(root, temp, name) {
			return err
		}
	case linkRefused(cause(err)):
		return publishByRename(root, temp, name)
	default:
		return err
	}
	return root.Remove(temp)
}

// publishByRename is for file systems with neither (exFAT on macOS and Windows, some FUSE
// ones). Between the check and the rename another process could create name. Ours do not:
// the publisher holds the mirror's lock (Lock), two goroutines of one run never publish the
// same name, and readers create nothing.
func publishByRename(root *os.Root, temp, name string) error {
	_, err := root.Lstat(name)
	if err == nil {
		return fs.ErrExist
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return root.Rename(temp, name)
}

func sameFile(root *os.Root, a, b string) bool {
	ia, erra := root.Lstat(a)
	ib, errb := root.Lstat(b)
	return erra == nil && errb == nil && ia.Mode().IsRegular() && os.SameFile(ia, ib)
}
