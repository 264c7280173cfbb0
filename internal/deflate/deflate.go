// Package deflate reproduces the output of the compressors behind cargo, bit for bit. A .crate
// is a tar in gzip. Since 2014 cargo has used four compressors, each at its level 9, and each
// turns a given tar into exactly one stream. So the tar and the [Encoder] replace a copy of
// the stream, which is what the deep archive relies on. The output is never trusted: callers
// compare it with the crate's checksum.
//
// The package does not decompress (compress/flate does that) and makes no choices that its
// originals did not make. Each encoder is an altered port; its file names the original, its
// version and its licence. An encoder's output never changes: a change requires a new encoder
// with a new number.
package deflate

import (
	"fmt"
	"io"
)

// An Encoder is one compressor at one setting. Segments store the numbers, so they are never
// reused.
type Encoder uint8

// The encoders, by the years in which cargo used them.
const (
	Miniz9    Encoder = 1 // miniz_oxide and miniz at level 9: 2014 to about April 2019
	Zlib9Mem8 Encoder = 2 // zlib at level 9, memLevel 8: since December 2018
	Zlib9Mem9 Encoder = 3 // zlib at level 9, memLevel 9: December 2018 to October 2020
	ZlibRSOld Encoder = 4 // zlib-rs before its fix #459, at level 9: since May 2025
	ZlibRS    Encoder = 5 // zlib-rs and zlib-ng since, at level 9: since April 2025
)

// Encoders is one more than the highest number.
const Encoders Encoder = ZlibRS + 1

// MaxInput is the longest input that can be encoded, in bytes: positions have 32 bits.
const MaxInput = 1 << 30

var encoders = map[Encoder]struct {
	name   string
	encode func(w io.Writer, src []byte) error
}{
	Miniz9:    {"miniz 9", encodeMiniz9},
	Zlib9Mem8: {"zlib 9, memLevel 8", zlibMem8.encode},
	Zlib9Mem9: {"zlib 9, memLevel 9", zlibMem9.encode},
	ZlibRSOld: {"zlib-rs 9 before its fix #459", zlibRSOld.encode},
	ZlibRS:    {"zlib-rs 9", zlibRS.encode},
}

func (e Encoder) String() string {
	if known, ok := encoders[e]; ok {
		return known.name
	}
	return fmt.Sprintf("encoder %d", uint8(e))
}

// Known reports whether this program has the encoder.
func (e Encoder) Known() bool {
	_, ok := encoders[e]
	return ok
}

// Encode writes the raw deflate stream (RFC 1951) that e makes of src. It writes pieces of at
// most 64 KiB as soon as they are ready, so that a caller that compares can stop it early.
// Errors: those of w; an encoder that this program does not have; a src longer than
// [MaxInput].
func Encode(w io.Writer, e Encoder, src []byte) error {
	known, ok := encoders[e]
	if !ok {
		return fmt.Errorf("encoding as %s: this program is too old for it", e)
	}
	if len(src) > MaxInput {
		return fmt.Errorf("encoding as %s: %d bytes are more than %d", e, len(src), MaxInput)
	}
	return known.encode(w, src)
}
