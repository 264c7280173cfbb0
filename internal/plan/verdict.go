package plan

import (
	"errors"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/verdict"
)

// Verdict returns the error with which a run of this plan would end.
func (p *Totals) Verdict() error {
	var errs []error
	if p.Violated > 0 {
		errs = append(errs, verdict.Integrityf("%d versions have another checksum in the index than in a lock file; they are listed above", p.Violated))
	}
	if p.Bad > 0 {
		errs = append(errs, verdict.Incompletef("%d entries cannot be mirrored; they are listed above", p.Bad))
	}
	return errors.Join(errs...)
}
