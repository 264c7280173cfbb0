package verify

import (
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/human"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/verdict"
)

// Verdict returns the verdict on what was verified.
func (v *Session) Verdict() error {
	c := &v.Cursor
	switch {
	case len(c.Bad) > 0:
		return verdict.Integrityf("%s damaged, missing or unreadable: run verify -repair to download them again", human.Plural(int64(len(c.Bad)), "version"))
	case c.Begun.IsZero():
		return nil
	case c.After == crate.ID{}:
		return verdict.Incompletef("stopped before the first versions were hashed: give it more time")
	case !v.Keeps():
		return verdict.Incompletef("stopped behind %s, which cannot be kept here: give it more time", c.After)
	}
	return verdict.Incompletef("stopped after %s: the next run resumes there", c.After)
}
