package home

import (
	"fmt"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/human"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/verdict"
)

// QuarantineVerdict is the verdict on what is in quarantine and not settled: a person
// has to look.
func (d *Dirs) QuarantineVerdict(files int) error {
	if files == 0 {
		return nil
	}
	return verdict.Integrityf("%s", d.NeedsLook(files))
}

// NeedsLook says what to do about so many files in quarantine, which are not settled.
func (d *Dirs) NeedsLook(files int) string {
	verb := "need"
	if files == 1 {
		verb = "needs"
	}
	return fmt.Sprintf("%s in %s %s a look: clonecratesio quarantine -out %s lists; with -settle NAME VERSION, or -settle-all, it is settled",
		human.Plural(int64(files), "file"), d.Quarantine(), verb, d.Crates)
}
