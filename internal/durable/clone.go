package durable

import (
	"errors"
	"fmt"
)

// Clone makes an empty file share the bytes of another file on the same file system, until
// either is written to (a reflink). It takes neither space nor time, and later changes of
// one file do not show in the other. It returns errors.ErrUnsupported, and leaves to empty,
// where only a copy is possible: on another file system, or on one that cannot share bytes.
func Clone(to, from File) error {
	dst, ok := to.(*file)
	src, also := from.(*file)
	if !ok || !also {
		return errors.ErrUnsupported
	}
	if err := cloneFile(dst.f, src.f); err != nil {
		return fmt.Errorf("sharing the bytes of %s: %w", src.f.Name(), translate(err))
	}
	return nil
}
