package deep

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/deflate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/partfile"
)

// Limits of the format, in bytes unless it says otherwise.
const (
	// MaxVersions bounds the versions of a pack, and so what one damaged pack
	// costs.
	MaxVersions = 64
	// MaxContent bounds what a pack decompresses to, unless one version alone has
	// more than giantAlone of its own: then MaxGiant does.
	MaxContent = 64 << 20
	MaxGiant   = 256 << 20
	giantAlone = 8 << 20
	// MaxCrate bounds a .crate, MaxTar its tar. A crate with a longer tar is kept
	// verbatim; a longer .crate has no place in a segment.
	MaxCrate = 128 << 20
	MaxTar   = 256 << 20
	// MaxPacks bounds the packs of a segment, and so its seek table: 8 MiB.
	MaxPacks = 1 << 19

	maxItems  = 1 << 20
	maxWindow = 128 << 20 // what zstd takes without being asked
	maxHeader = 255       // of gzip
)

// Verbatim is the encoder of a .crate that is content of its pack itself.
const Verbatim deflate.Encoder = 0

// A Reason says why a version is kept verbatim.
type Reason uint8

// The reasons. The numbers are stored in segments.
const (
	NoReason       Reason = 0 // it is not: it has an encoder
	UnknownEncoder Reason = 1 // no encoder makes its stream
	NotGzip        Reason = 2 // it is no gzip member with a header of at most 255 bytes
	SeveralMembers Reason = 3 // other gzip members follow the first
	TrailingBytes  Reason = 4 // other bytes follow it
	DamagedStream  Reason = 5 // its deflate stream or its trailer is wrong
	TarTooLong     Reason = 6 // it has more than MaxTar, or than Options.MaxTar
)

// Reasons is one more than the highest of them.
const Reasons Reason = TarTooLong + 1

var reasons = [...]string{
	"", "no encoder makes its stream", "not a gzip file", "several gzip members", "bytes behind the gzip member",
	"damaged gzip stream", "tar is too long",
}

func (r Reason) String() string {
	if int(r) < len(reasons) {
		return reasons[r]
	}
	return fmt.Sprintf("reason %d", uint8(r))
}

// Placement is where in a segment a pack is, in bytes: its two frames.
type Placement struct {
	Offset, Size int64
}

// Version is one version in a pack.
type Version struct {
	crate.Key
	Size    int64           // of the .crate, in bytes
	Encoder deflate.Encoder // Verbatim, or what makes the .crate's stream of the tar
	Reason  Reason          // of Verbatim

	stream    int64          // length of what its recipe makes: the tar, or the .crate itself
	streamSum crate.Checksum // of that
	header    []byte         // of gzip
	recipe    int64          // length of its recipe
}

// TarSize returns the length of the unpacked tar in bytes, or 0 where that is not
// known: the version is kept verbatim.
func (v *Version) TarSize() int64 {
	if v.Encoder == Verbatim {
		return 0
	}
	return v.stream
}

// Directory describes a pack: some versions of one crate.
type Directory struct {
	Placement // of the pack in its segment; zero before [Writer.Append]
	Name      string
	Versions  []Version // in the order in which they were given, oldest first
	Content   int64     // what the data frame decompresses to, in bytes

	frame    int64          // size of the data frame
	frameSum crate.Checksum // of its bytes
	sum      crate.Checksum // of the directory; zero: it was not read from a segment
}

// Sum identifies a pack that was read from a segment: packs of the same sum have the
// same content, wherever they are.
func (d *Directory) Sum() crate.Checksum { return d.sum }

// Find returns the number of a version in the pack, or -1. What it is of bytes
// counts, not its name alone.
func (d *Directory) Find(key crate.Key) int {
	for n := range d.Versions {
		if d.Versions[n].Key == key {
			return n
		}
	}
	return -1
}

// numbers are those of all versions.
func (d *Directory) numbers() []int {
	all := make([]int, len(d.Versions))
	for n := range all {
		all[n] = n
	}
	return all
}

// Cost returns how much memory in bytes [Reader.Rebuild] takes at most for
// version n, before anything is read.
func (d *Directory) Cost(n int) int64 {
	const tables = 8 << 20 // of the decoder, the encoder and the items, at most
	v := &d.Versions[n]
	cost := d.frame + d.Content + v.Size + tables
	if v.Encoder != Verbatim {
		cost += v.stream
	}
	return cost
}

// Errors that code decides on.
var (
	// ErrFormat: the file is no segment of this format.
	ErrFormat = errors.New("not a deep segment of this format")
	// ErrTable: the seek table is missing or wrong. That costs no pack.
	ErrTable = errors.New("seek table is missing or wrong, packs are unaffected")
	// ErrUnfinished: the seek table is missing at the end.
	ErrUnfinished = errors.New("segment ends without its seek table")
	// ErrTooLarge: the .crate is longer than MaxCrate.
	ErrTooLarge = fmt.Errorf("crate is longer than %d bytes", int64(MaxCrate))
	// ErrFull: the segment has MaxPacks; another one must be begun.
	ErrFull = errors.New("segment is full")
	// ErrBroken: an earlier write or sync of this Writer failed.
	ErrBroken = partfile.ErrBroken
	// ErrNotThere: the pack does not hold what is asked of it. It is fs.ErrNotExist
	// too.
	ErrNotThere = fmt.Errorf("version is not in this pack: %w", fs.ErrNotExist)
	// ErrEncoder: this program has no such encoder; a newer one has.
	ErrEncoder = errors.New("this program is too old for its encoder")
)

// A DamageError says which bytes of a segment could not be used: one pack, or
// where the packs around them are lost too, what is between those that are not.
type DamageError struct {
	Segment     string
	Offset, End int64  // reading resumes at End, or End is that of the file
	Crate       string // name of the crate whose versions the pack has; "": not known
	Err         error
}

func (e *DamageError) Error() string {
	of := ""
	if e.Crate != "" {
		of = ", a pack of " + e.Crate
	}
	return fmt.Sprintf("%s is damaged from offset %d to %d%s: %v", e.Segment, e.Offset, e.End, of, e.Err)
}

func (e *DamageError) Unwrap() error { return e.Err }
