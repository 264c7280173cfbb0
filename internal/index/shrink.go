package index

import "fmt"

// MaxShrink is the share, in percent, that may vanish unasked from one time to
// the next: crates of an index, versions of a mirror, rows of a table. A real
// registry loses a few crates a day; half a checkout, or the wrong folder, loses
// half.
const MaxShrink = 5

// A ShrinkError refuses a source that is empty, or has lost more than MaxShrink percent:
// a mishap, or an attempt to hide what was published. It names -accept-shrink, which lets
// commands continue.
type ShrinkError struct{ text string }

func (e *ShrinkError) Error() string { return e.text + ", or accept it with -accept-shrink" }

// ErrEmpty refuses an index without a crate.
var ErrEmpty = Lost("there is no crate in the index: give the folder or the repository of a whole one")

// WentBack refuses a revision that is older than an earlier one, said with where
// that is and what to do about it.
func WentBack(what string, now Revision, where string, earlier Revision, todo string) error {
	return &ShrinkError{fmt.Sprintf("%s went back in time: it has commit %v, %s %v: %s", what, now, where, earlier, todo)}
}

// Lost refuses what lacks everything: what it is, and what to do about it.
func Lost(text string) error { return &ShrinkError{text} }

// CheckShrink refuses that so many of had are lost, with what they are and what to
// do about it.
func CheckShrink(lost, had int64, what, todo string) error {
	if lost*100 <= had*MaxShrink {
		return nil
	}
	return &ShrinkError{fmt.Sprintf("%d of the %d %s, more than %d %%: %s", lost, had, what, MaxShrink, todo)}
}
