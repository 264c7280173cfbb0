package extract

import (
	"errors"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/home"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/verdict"
)

// Verdict returns the error of an extraction into the folder crates that ran to its end, or
// nil.
func (s *Summary) Verdict(crates string) error {
	var errs []error
	if !s.Sound() {
		errs = append(errs, verdict.Integrityf("bundles, segments or files are not as they should be; they are listed above. With good copies of those run the same command again: it takes what is missing"))
	}
	if s.Counts.Problems[Occupied] > 0 {
		errs = append(errs, verdict.Integrityf("files that are in the way stay: -overwrite moves them to quarantine/ and puts the crates in their place"))
	}
	errs = append(errs, (&home.Dirs{Crates: crates}).QuarantineVerdict(s.Quarantined))
	if !s.Complete() {
		errs = append(errs, verdict.Incompletef("incomplete: the crates listed above are missing"))
	}
	return errors.Join(errs...)
}
