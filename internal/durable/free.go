package durable

import (
	"errors"
	"fmt"
)

// ReserveFiles is the number of inodes that must stay free: a catalog, a manifest, folders
// and notes in quarantine need a few.
const ReserveFiles = 64

// CheckFree returns [ErrNoSpace] unless that many bytes and files can be created in a
// folder, named dir in the error, and a reserve of bytes and of [ReserveFiles] is left. A
// number that the file system does not report is assumed to suffice.
func CheckFree(fsys FS, dir string, bytes, files, reserve int64) error {
	freeBytes, freeFiles, err := fsys.Free()
	if errors.Is(err, errors.ErrUnsupported) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("asking how much space is free in %s: %w", dir, err)
	}
	for _, c := range []struct {
		what                string
		free, need, reserve int64
	}{{"bytes", freeBytes, bytes, reserve}, {"inodes", freeFiles, files, ReserveFiles}} {
		if c.free >= 0 && c.free < c.need+c.reserve {
			return fmt.Errorf("%d %s are free in %s, %d are needed and %d kept in reserve: %w", c.free, c.what, dir, c.need, c.reserve, ErrNoSpace)
		}
	}
	return nil
}
