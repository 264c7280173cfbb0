package durable

import (
	"errors"
	"io/fs"
	"os"
	"slices"
)

// kindError adds one of our error values to one of the system's. Its text is
// the system's: "no space left on device" and "disk quota exceeded" tell the
// user different things to do.
type kindError struct{ kind, err error }

func (e *kindError) Error() string   { return e.err.Error() }
func (e *kindError) Unwrap() []error { return []error{e.kind, e.err} }

// Classify makes errors.Is work for ErrNoSpace and ErrReadOnly. The other
// errors of the contract are package fs's, which the system's error numbers
// know by themselves.
func Classify(err error) error {
	err = cause(err)
	switch {
	case err == nil:
		return nil
	case isAny(err, noSpaceErrnos):
		return &kindError{ErrNoSpace, err}
	case isAny(err, readOnlyErrnos):
		return &kindError{ErrReadOnly, err}
	case err.Error() == escapes:
		return ErrEscapes
	}
	return err
}

// escapes is what package os says, by an error value that it keeps to itself.
const escapes = "path escapes from parent"

func isAny[E error](err error, errnos []E) bool {
	return slices.ContainsFunc(errnos, func(e E) bool { return errors.Is(err, e) })
}

// cause takes off the layers that package os puts around an error number: we
// put on our own, with the path as the user knows it.
func cause(err error) error {
	switch e := err.(type) {
	case *fs.PathError:
		return cause(e.Err)
	case *os.LinkError:
		return cause(e.Err)
	case *os.SyscallError:
		return cause(e.Err)
	}
	return err
}

// notRegular replaces the error numbers by which systems say that something
// other than a regular file cannot be opened like one.
func notRegular(err error) error {
	if isAny(cause(err), notRegularErrnos) {
		return ErrNotRegular
	}
	return err
}

// PathError wraps err for a caller; nil stays nil.
func PathError(op, path string, err error) error {
	if err == nil {
		return nil
	}
	return &fs.PathError{Op: op, Path: path, Err: Classify(err)}
}

// translate does the same for an error of an *os.File, which names operation
// and path already. io.EOF and nil pass.
func translate(err error) error {
	if e, ok := err.(*fs.PathError); ok {
		return &fs.PathError{Op: e.Op, Path: e.Path, Err: Classify(e.Err)}
	}
	return err
}
