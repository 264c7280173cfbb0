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
	MaxSize    = member.MaxSize    // bytes per crate
	MaxMembers = member.MaxMembers // per bundle
)

// Placement locates the frame of a member in its bundle, in bytes.
type Placement struct {
	Offset    int64
	FrameSize int64
}

// Member describes a crate in a bundle.
type Member struct {
	ID       crate.ID
	Size     int64          // of the crate, in bytes
	Checksum crate.Checksum // of the crate's bytes in the bundle
	Placement
}

// Errors that code decides on.
var (
	// ErrFormat says that the file is not a bundle of this format.
	ErrFormat = errors.New("not a bundle of this format")
	// ErrStream says that the file is a bundle of v1.1.0, a single frame; package legacy
	// reads it.
	ErrStream = errors.New("bundle is a single frame, as v1.1.0 made them")
	// ErrBomb says that the bundle decompresses to far more than a real one of its size.
	ErrBomb = member.ErrBomb
	// ErrTable says that the seek table is missing or wrong. No member is lost.
	ErrTable = errors.New("seek table is missing or wrong, members are unaffected")
	// ErrTrailing says that there is data after the end of the archive.
	ErrTrailing = member.ErrTrailing
	// ErrUnfinished says that the end of the archive is missing.
	ErrUnfinished = errors.New("bundle ends without the end of its archive")
	// ErrTooMany says that there are too many members or lines.
	ErrTooMany = member.ErrTooMany
	// ErrFull says that the bundle has MaxMembers members: begin another one.
	ErrFull = errors.New("bundle is full")
	// ErrBroken says that an earlier write or sync of this Writer failed.
	ErrBroken = partfile.ErrBroken
)

// A DamageError says which bytes of a bundle are unusable. Members before Offset, and from
// End on, are unaffected.
type DamageError struct {
	Offset, End int64 // reading resumes at End, which may be the end of the file
	Err         error
}

func (e *DamageError) Error() string {
	return fmt.Sprintf("bundle is damaged from offset %d to %d: %v", e.Offset, e.End, e.Err)
}

func (e *DamageError) Unwrap() error { return e.Err }
