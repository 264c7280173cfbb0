package bundle

import (
	"errors"
	"fmt"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle/member"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/partfile"
)

// Limits of the format.
const (
	MaxSize    = member.MaxSize    // bytes of one crate
	MaxMembers = member.MaxMembers // of one bundle
)

// Placement is where in a bundle a member's frame is, in bytes.
type Placement struct {
	Offset    int64
	FrameSize int64
}

// Member is a crate in a bundle.
type Member struct {
	ID       crate.ID
	Size     int64          // of the crate, in bytes
	Checksum crate.Checksum // of the crate's bytes in the bundle
	Placement
}

// Errors that code decides on.
var (
	// ErrFormat: the file is no bundle of this format.
	ErrFormat = errors.New("not a bundle of this format")
	// ErrStream: it is one of v1.1.0, a single frame; package legacy reads it.
	ErrStream = errors.New("bundle is a single frame, as v1.1.0 made them")
	// ErrBomb: the bundle holds far more than a real one of its size.
	ErrBomb = member.ErrBomb
	// ErrTable: the seek table is missing or wrong. That costs no member.
	ErrTable = errors.New("seek table is missing or wrong, members are unaffected")
	// ErrTrailing: there is something behind the end of the archive.
	ErrTrailing = member.ErrTrailing
	// ErrUnfinished: the end of the archive is missing.
	ErrUnfinished = errors.New("bundle ends without the end of its archive")
	// ErrTooMany: a limit on the number of members or lines is passed.
	ErrTooMany = member.ErrTooMany
	// ErrFull: the bundle has MaxMembers; another one must be begun.
	ErrFull = errors.New("bundle is full")
	// ErrBroken: an earlier write or sync of this Writer failed.
	ErrBroken = partfile.ErrBroken
)

// A DamageError says which bytes of a bundle could not be used. Members before
// Offset, and from End on, are not touched by it.
type DamageError struct {
	Offset, End int64 // reading resumes at End, or End is that of the file
	Err         error
}

func (e *DamageError) Error() string {
	return fmt.Sprintf("bundle is damaged from offset %d to %d: %v", e.Offset, e.End, e.Err)
}

func (e *DamageError) Unwrap() error { return e.Err }
