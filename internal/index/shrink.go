package index

import "fmt"

// MaxShrink is the percentage that may vanish from one time to the next without the
// operator's consent: crates of an index, versions of a mirror, rows of a table. A real
// registry loses a few crates a day; half a checkout, or the wrong folder, loses half.
const MaxShrink = 5

// A ShrinkError rejects a source that is empty, or that has lost more than MaxShrink
// percent: a mishap, or an attempt to hide what was published. Its text names
// -accept-shrink, with which commands continue.
type ShrinkError struct{ text string }

func (e *ShrinkError) Error() string { return e.text + ", or accept it with -accept-shrink" }

// ErrEmpty rejects an index without crates.
var ErrEmpty = Lost("there is no crate in the index: give the folder or the repository of a whole one")

// WentBack rejects a revision that is older than an earlier one. where says where that one
// is, and todo what to do.
func WentBack(what string, now Revision, where string, earlier Revision, todo string) error {
	return &ShrinkError{fmt.Sprintf("%s went back in time: it has commit %v, %s %v: %s", what, now, where, earlier, todo)}
}

// Lost rejects a source that lacks everything; text says what it is, and what to do.
func Lost(text string) error { return &ShrinkError{text} }

// CheckShrink rejects the loss of lost of had things if that is too much; what says what
// they are, and todo what to do.
func CheckShrink(lost, had int64, what, todo string) error {
	if lost*100 <= had*MaxShrink {
		return nil
	}
	return &ShrinkError{fmt.Sprintf("%d of the %d %s, more than %d %%: %s", lost, had, what, MaxShrink, todo)}
}
