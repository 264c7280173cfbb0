package repack

import (
	"github.com/APTlantis/Mirror-Rust-Crates/internal/human"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/verdict"
)

// Verdict returns the verdict on a run that packed.
func (d *Done) Verdict() error {
	switch {
	case d.FailedVersions > 0:
		return verdict.Integrityf("%s could not be packed and stay where they are: run verify -repair, then repack again", human.Plural(d.FailedVersions, "version"))
	case d.OutOfTime:
		return verdict.Incompletef("stopped after -max-duration: the next run resumes there")
	}
	return nil
}
