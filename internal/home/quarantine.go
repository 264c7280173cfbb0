package home

import (
	"fmt"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/human"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/verdict"
)

// QuarantineVerdict returns the verdict on unsettled files in quarantine: a person has to look
// at them.
func (d *Dirs) QuarantineVerdict(files int) error {
	if files == 0 {
		return nil
	}
	return verdict.Integrityf("%s", d.NeedsLook(files))
}

// NeedsLook says what to do about a number of unsettled files in quarantine.
func (d *Dirs) NeedsLook(files int) string {
	verb := "need"
	if files == 1 {
		verb = "needs"
	}
	return fmt.Sprintf("%s in %s %s a look: clonecratesio quarantine -out %s lists; with -settle NAME VERSION, or -settle-all, it is settled",
		human.Plural(int64(files), "file"), d.Quarantine(), verb, d.Crates)
}
