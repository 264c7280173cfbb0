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
	// MaxVersions bounds the versions of a pack, and so the loss when a pack is damaged.
	MaxVersions = 64
	// MaxContent bounds the decompressed size of a pack, unless a single version has more
	// than giantAlone of its own: then MaxGiant does.
	MaxContent = 64 << 20
	MaxGiant   = 256 << 20
	giantAlone = 8 << 20
	// MaxCrate bounds a .crate, MaxTar its tar. A crate with a longer tar is kept verbatim;
	// a longer .crate cannot be stored in a segment.
	MaxCrate = 128 << 20
	MaxTar   = 256 << 20
	// MaxPacks bounds the packs of a segment, and so its seek table: 8 MiB.
	MaxPacks = 1 << 19

	maxItems  = 1 << 20
	maxWindow = 128 << 20 // the largest that zstd accepts by default
	maxHeader = 255       // of gzip
)

// Verbatim is the encoder of a .crate that is stored in its pack as it is.
const Verbatim deflate.Encoder = 0

// A Reason says why a version is kept verbatim.
type Reason uint8

// The reasons. The numbers are stored in segments.
const (
	NoReason       Reason = 0 // it has an encoder
	UnknownEncoder Reason = 1 // no encoder makes its stream
	NotGzip        Reason = 2 // not a gzip member with a header of at most 255 bytes
	SeveralMembers Reason = 3 // other gzip members follow the first
	TrailingBytes  Reason = 4 // other bytes follow it
	DamagedStream  Reason = 5 // its deflate stream or its trailer is wrong
	TarTooLong     Reason = 6 // longer than MaxTar, or than Options.MaxTar
)

// Reasons is one more than the highest reason.
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

// Placement locates a pack, its two frames, in a segment, in bytes.
type Placement struct {
	Offset, Size int64
}

// Version is one version in a pack.
type Version struct {
	crate.Key
	Size    int64           // of the .crate, in bytes
	Encoder deflate.Encoder // Verbatim, or what makes the stream in the .crate of the tar
	Reason  Reason          // for Verbatim

	stream    int64          // length of what its recipe makes: the tar, or the .crate itself
	streamSum crate.Checksum // checksum of that
	header    []byte         // gzip header
	recipe    int64          // length of its recipe
}

// TarSize returns the length of the unpacked tar in bytes, or 0 if it is unknown, because
// the version is kept verbatim.
func (v *Version) TarSize() int64 {
	if v.Encoder == Verbatim {
		return 0
	}
	return v.stream
}

// Directory describes a pack: some versions of one crate.
type Directory struct {
	Placement // zero before [Writer.Append]
	Name      string
	Versions  []Version // oldest first, as given to Build
	Content   int64     // decompressed size of the data frame, in bytes

	frame    int64          // size of the data frame
	frameSum crate.Checksum // checksum of the data frame
	sum      crate.Checksum // of the directory; zero: not read from a segment
}

// Sum returns the checksum of the directory, which identifies a pack that was read from a
// segment: packs with the same sum have the same content.
func (d *Directory) Sum() crate.Checksum { return d.sum }

// Find returns the number of a version in the pack, or -1. It compares the checksum, too.
func (d *Directory) Find(key crate.Key) int {
	for n := range d.Versions {
		if d.Versions[n].Key == key {
			return n
		}
	}
	return -1
}

// numbers returns the numbers of all versions.
func (d *Directory) numbers() []int {
	all := make([]int, len(d.Versions))
	for n := range all {
		all[n] = n
	}
	return all
}

// Cost returns an upper bound of the memory, in bytes, that [Reader.Rebuild] needs for
// version n. It reads nothing.
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
	// ErrFormat says that the file is not a segment of this format.
	ErrFormat = errors.New("not a deep segment of this format")
	// ErrTable says that the seek table is missing or wrong. No pack is lost.
	ErrTable = errors.New("seek table is missing or wrong, packs are unaffected")
	// ErrUnfinished says that the seek table is missing at the end.
	ErrUnfinished = errors.New("segment ends without its seek table")
	// ErrTooLarge says that the .crate is longer than MaxCrate.
	ErrTooLarge = fmt.Errorf("crate is longer than %d bytes", int64(MaxCrate))
	// ErrFull says that the segment has MaxPacks packs: begin another one.
	ErrFull = errors.New("segment is full")
	// ErrBroken says that an earlier write or sync of this Writer failed.
	ErrBroken = partfile.ErrBroken
	// ErrNotThere says that the pack does not have the requested version. It wraps
	// fs.ErrNotExist.
	ErrNotThere = fmt.Errorf("version is not in this pack: %w", fs.ErrNotExist)
	// ErrEncoder says that this program lacks the encoder, and a newer one is needed.
	ErrEncoder = errors.New("this program is too old for its encoder")
)

// A DamageError says which bytes of a segment are unusable: one pack, or everything between
// two intact packs if more is lost.
type DamageError struct {
	Segment     string
	Offset, End int64  // reading resumes at End, which may be the end of the file
	Crate       string // name of the crate in the pack; "": unknown
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
