package durable

import (
	"errors"
	"fmt"
)

// Clone makes a file that has nothing yet share the bytes of another one of the same
// file system, until either is written to (a reflink): it costs neither space nor
// time, and what is done to the other file afterwards does not show in it. It fails
// with errors.ErrUnsupported, and to still has nothing, where only a copy can be had:
// on another file system, or on one that shares no bytes.
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
