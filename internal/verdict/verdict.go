// Package verdict has the errors of a completed job that found something wrong with a
// mirror. Any other error means that the job itself could not continue, and says nothing
// about the mirror.
package verdict

import (
	"errors"
	"fmt"
)

// ExitIncomplete is the exit code of a job that ends with an *IncompleteError, and with nothing
// worse.
const ExitIncomplete = 3

// An IncompleteError says that something is missing, and is listed. Nothing is lost.
type IncompleteError struct{ Text string }

func (e *IncompleteError) Error() string { return e.Text }

// Incompletef returns an *IncompleteError.
func Incompletef(format string, args ...any) error {
	return &IncompleteError{fmt.Sprintf(format, args...)}
}

// An IntegrityError says that stored or received bytes are wrong, or that a person must
// look at some that were.
type IntegrityError struct{ Text string }

func (e *IntegrityError) Error() string { return e.Text }

// Integrityf returns an *IntegrityError.
func Integrityf(format string, args ...any) error {
	return &IntegrityError{fmt.Sprintf(format, args...)}
}

// Is reports whether err is a verdict.
func Is(err error) bool {
	return errors.As(err, new(*IncompleteError)) || errors.As(err, new(*IntegrityError))
}
