package store

import (
	"iter"
	"strings"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

// EvidenceKind says where what is in quarantine was met.
type EvidenceKind string

const (
	Sent   EvidenceKind = "sent"   // upstream sent it, and it was never stored under the crate's name
	Found  EvidenceKind = "found"  // a file that stood under the crate's name, and was moved
	Member EvidenceKind = "member" // part of a bundle, where it stays: there is only a note
)

// Evidence is one thing in quarantine, with what its note says. It is settled once there
// is nothing left to do about it: what was sent, when the right bytes have been stored
// since, or the index asks for others or for none; anything else, when a person says so.
// Settled evidence stays where it is and raises no alarm.
type Evidence struct {
	crate.ID // zero if there is no note and the name says nothing
	File     string
	Kind     EvidenceKind
	Reason   string
	Want     crate.Checksum // of Sent: what the index named; zero: an earlier program did not note it
	Got      crate.Checksum // of Sent: what came
	Time     time.Time
	Settled  time.Time // zero: it is not
}

// SettledBy reports whether it settles the evidence that the version is stored
// with this checksum, verified at that time. Only what was sent settles by
// itself: the bytes that were asked for came later, or what came was accepted.
func (e *Evidence) SettledBy(sum crate.Checksum, verified time.Time) bool {
	if e.Kind != Sent || verified.Before(e.Time.Truncate(time.Second)) { // catalogs count seconds
		return false
	}
	if e.Want == (crate.Checksum{}) {
		return strings.Contains(e.Reason, sum.String())
	}
	return sum == e.Want || sum == e.Got
}

// CountEvidence counts what is in a quarantine.
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

// Quarantiner sets aside what must not be served but must not be lost either.
type Quarantiner interface {
	// Quarantine moves the file under id's name into quarantine, durably, with a note of the
	// reason, and returns its new path.
	Quarantine(id crate.ID, at Placement, reason string) (path string, err error)
	// Isolate puts bytes that were sent for id, instead of what want names, into
	// quarantine, durably: all of them, or the beginning. They are known by sum,
	// the checksum of all, and kept once. It owns body.Spill from then on.
	Isolate(id crate.ID, want, sum crate.Checksum, reason string, body Body) (path string, err error)
	// Isolated returns where Isolate has put all bytes with this checksum that were
	// sent for id, as long as they are what they were. Errors: fs.ErrNotExist.
	Isolated(id crate.ID, sum crate.Checksum) (path string, err error)
	// NoteMember leaves a note in quarantine that id's part of a bundle, or of a
	// segment, is not what it should be. The file stays as it is.
	NoteMember(id crate.ID, at Placement, reason string) (path string, err error)
	// Evidence lists what is in quarantine, by name.
	Evidence() iter.Seq2[Evidence, error]
	// Settle notes durably that there is nothing left to do about e.
	Settle(e Evidence, when time.Time) error
	// Quarantined counts what is in quarantine and not settled.
	Quarantined() (int, error)
}
