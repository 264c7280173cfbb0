// Package deflate repeats what the deflate programs behind cargo wrote, bit for bit. A
// .crate is a tar in gzip; cargo has used four compressors since 2014, each at its level
// 9, and each turns a given tar into one stream. The tar and the [Encoder] make a copy of
// the stream unnecessary: the deep archive rests on that. The output is never trusted: a
// caller compares it with the crate's checksum.
//
// The package reads nothing (compress/flate does that) and makes no choice that its
// originals did not make. Each encoder is an altered port; its file names the original,
// its version and its licence. An encoder's output never changes: an encoder that must
// change gets a new number.
package deflate

import (
	"fmt"
	"io"
)

// An Encoder is one compressor at one setting. The numbers are stored in segments
// and are never given out twice.
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

// MaxInput is the longest input in bytes that is encoded: positions are 32 bits wide.
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

// Known says whether this program has the encoder.
func (e Encoder) Known() bool {
	_, ok := encoders[e]
	return ok
}

// Encode writes the raw deflate stream (RFC 1951) that e makes of src, in pieces of
// at most 64 KiB and as soon as they are known, so that a caller who compares can
// stop it: an error of w ends it and is returned. An encoder that this program does
// not have is an error, and so is a src longer than [MaxInput].
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
