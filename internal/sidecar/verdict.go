package sidecar

import (
	"errors"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/human"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/verdict"
)

// Verdict returns the error of a completed run; places is nil if no manifest was read.
func (s *Summary) Verdict(places *Places) error {
	var errs []error
	if s.Counts.Problems > 0 {
		errs = append(errs, verdict.Incompletef("incomplete: what is listed above has no sidecar, or an old one"))
	}
	if places != nil && places.Bad > 0 {
		errs = append(errs, verdict.Incompletef("incomplete: %s lines of the manifest cannot be used; the log names them", human.Count(places.Bad)))
	}
	return errors.Join(errs...)
}
