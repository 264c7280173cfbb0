package store

import (
	"iter"
	"strings"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

// EvidenceKind says where something in quarantine was found.
type EvidenceKind string

const (
	Sent   EvidenceKind = "sent"   // upstream sent it, and it was never stored under the crate's name
	Found  EvidenceKind = "found"  // a file that had the crate's name and was moved
	Member EvidenceKind = "member" // part of a bundle, where it stays: there is only a note
)

// Evidence is one thing in quarantine, with the content of its note. It is settled once
// nothing is left to do about it. Sent bytes are settled once the correct bytes are stored,
// or the index names other bytes or none; anything else is settled by a person. Settled
// evidence stays where it is and raises no alarm.
type Evidence struct {
	crate.ID // zero if there is no note and the name has no crate
	File     string
	Kind     EvidenceKind
	Reason   string
	Want     crate.Checksum // of Sent: what the index named; zero: an earlier program did not record it
	Got      crate.Checksum // of Sent: what upstream sent
	Time     time.Time
	Settled  time.Time // zero: not settled
}

// SettledBy reports whether the evidence is settled by the fact that the version is stored
// with this checksum, verified at that time. Only sent bytes are settled this way: the
// correct bytes came later, or the sent ones were accepted.
func (e *Evidence) SettledBy(sum crate.Checksum, verified time.Time) bool {
	if e.Kind != Sent || verified.Before(e.Time.Truncate(time.Second)) { // catalogs store seconds
		return false
	}
	if e.Want == (crate.Checksum{}) {
		return strings.Contains(e.Reason, sum.String())
	}
	return sum == e.Want || sum == e.Got
}

// CountEvidence counts the evidence in a quarantine.
func CountEvidence(evidence iter.Seq2[Evidence, error]) (unsettled, settled int, err error) {
	for e, err := range evidence {
		switch {
		case err != nil:
			return unsettled, settled, err
		case e.Settled.IsZero():
			unsettled++
		default:
			settled++
		}
	}
	return unsettled, settled, nil
}

// A Quarantiner sets aside what must be neither served nor lost.
type Quarantiner interface {
	// Quarantine durably moves the file under id's name into quarantine, with a note of the
	// reason, and returns its new path.
	Quarantine(id crate.ID, at Placement, reason string) (path string, err error)
	// Isolate durably puts into quarantine bytes that upstream sent for id instead of those
	// that want names: all of them, or their beginning. They are identified by sum, the
	// checksum of all, and stored once. Isolate takes ownership of body.Spill.
	Isolate(id crate.ID, want, sum crate.Checksum, reason string, body Body) (path string, err error)
	// Isolated returns where Isolate put the complete bytes with this checksum that
	// upstream sent for id, if they are unchanged. Errors: fs.ErrNotExist.
	Isolated(id crate.ID, sum crate.Checksum) (path string, err error)
	// NoteMember writes a note into quarantine that id's part of a bundle, or of a segment,
	// is wrong. The file stays unchanged.
	NoteMember(id crate.ID, at Placement, reason string) (path string, err error)
	// Evidence yields what is in quarantine, by name.
	Evidence() iter.Seq2[Evidence, error]
	// Settle durably records that nothing is left to do about e.
	Settle(e Evidence, when time.Time) error
	// Quarantined counts the unsettled evidence in quarantine.
	Quarantined() (int, error)
}
