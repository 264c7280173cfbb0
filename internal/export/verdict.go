package export

import (
	"errors"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/human"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/verdict"
)

// Verdict returns the error of an export that ran to its end, or nil.
func (s *Summary) Verdict() error {
	var errs []error
	if s.Damaged > 0 {
		errs = append(errs, verdict.Integrityf("%s damaged in the mirror and not in the export: clonecratesio verify -repair, then run this again", human.Plural(s.Damaged, "version")))
	}
	if s.Failed > 0 {
		errs = append(errs, verdict.Incompletef("incomplete: what could not be read or written is listed above; run this again"))
	}
	return errors.Join(errs...)
}
