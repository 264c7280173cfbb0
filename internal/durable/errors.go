package durable

import (
	"errors"
	"io/fs"
	"os"
	"slices"
)

// kindError adds one of our error values to a system error. Its text is the system's,
// because "no space left on device" and "disk quota exceeded" call for different remedies.
type kindError struct{ kind, err error }

func (e *kindError) Error() string   { return e.err.Error() }
func (e *kindError) Unwrap() []error { return []error{e.kind, e.err} }

// Classify makes errors.Is work for ErrNoSpace and ErrReadOnly. The system's error numbers
// already match the errors of package fs.
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

// escapes is the text of an error of package os, which does not export the value.
const escapes = "path escapes from parent"

func isAny[E error](err error, errnos []E) bool {
	return slices.ContainsFunc(errnos, func(e E) bool { return errors.Is(err, e) })
}

// cause strips the errors that package os wraps around an error number: ours have the path
// as the user knows it.
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

// notRegular replaces the error numbers for opening something other than a regular file.
func notRegular(err error) error {
	if isAny(cause(err), notRegularErrnos) {
		return ErrNotRegular
	}
	return err
}

// PathError wraps err in a *fs.PathError; nil stays nil.
func PathError(op, path string, err error) error {
	if err == nil {
		return nil
	}
	return &fs.PathError{Op: op, Path: path, Err: Classify(err)}
}

// translate translates an error of an *os.File, which already names operation and path. It
// returns io.EOF and nil unchanged.
func translate(err error) error {
	if e, ok := err.(*fs.PathError); ok {
		return &fs.PathError{Op: e.Op, Path: e.Path, Err: Classify(e.Err)}
	}
	return err
}
