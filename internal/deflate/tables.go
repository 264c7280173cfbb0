// Altered port of the tables of zlib 1.3.2 (trees.c, trees.h), Copyright (C)
// 1995-2026 Jean-loup Gailly and Mark Adler, under the zlib licence: see
// THIRD_PARTY.md. zlib-rs has the same ones.

package deflate

import "math/bits"

// The shape of deflate (RFC 1951, section 3.2).
const (
	minMatch = 3
	maxMatch = 258

	literals   = 256
	endOfBlock = 256
	litCodes   = literals + 1 + len(lengthExtra) // 286 codes for literals, end and lengths
	distCodes  = len(distExtra)                  // 30
	lenCodes   = len(lenExtra)                   // 19 codes for the lengths of the codes above
	maxBits    = 15                              // of a literal or distance code
	maxLenBits = 7                               // of a code for the length of a code
)

// Extra bits of each code for a length, a distance and the length of a code.
var (
	lengthExtra = [29]uint8{8: 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0}
	distExtra   = [30]uint8{4: 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13}
	lenExtra    = [19]uint8{16: 2, 3, 7}
)

// lenOrder is the order in which the lengths of the length codes are written.
var lenOrder = [lenCodes]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}

// A code is a bit string in the order of writing: its first bit is the lowest.
type code struct {
	bits uint16
	len  uint8
}

// Tables that follow from those above.
var (
	lengthCode [maxMatch - minMatch + 1]uint8 // by a match's length - minMatch
	lengthBase [len(lengthExtra)]uint16       // the least length - minMatch of a code
	distCode   [512]uint8                     // see codeOfDist
	distBase   [distCodes]uint16              // the least distance - 1 of a code

	fixedLit  [litCodes + 2]code // two of them never occur, but shape the code
	fixedDist [distCodes]code
)

// codeOfDist returns the code of a distance, counted from 0.
func codeOfDist(dist uint32) uint8 {
	if dist < 256 {
		return distCode[dist]
	}
	return distCode[256+dist>>7&255]
}

func init() {
	n := 0
	for c, extra := range lengthExtra[:len(lengthExtra)-1] {
		lengthBase[c] = uint16(n)
		for range 1 << extra {
			lengthCode[n] = uint8(c)
			n++
		}
	}
	// The longest match has its own code, although the previous one could express it, too.
	longest := len(lengthExtra) - 1
	lengthCode[maxMatch-minMatch], lengthBase[longest] = uint8(longest), maxMatch-minMatch
	n = 0
	for c, extra := range distExtra {
		distBase[c] = uint16(n)
		for range 1 << extra {
			if n < 256 {
				distCode[n] = uint8(c)
			} else {
				distCode[256+n>>7] = uint8(c)
			}
			n++
		}
	}

	var counts [maxBits + 1]uint16
	for c := range fixedLit {
		size := uint8(8)
		if c >= 144 && c < 256 {
			size = 9
		} else if c >= 256 && c < 280 {
			size = 7
		}
		fixedLit[c].len = size
		counts[size]++
	}
	assignCodes(fixedLit[:], &counts)
	for c := range fixedDist {
		fixedDist[c] = code{bits: bits.Reverse16(uint16(c)) >> (16 - 5), len: 5}
	}
}

// assignCodes sets the bits of each code, from the lengths of all and from the number of codes
// of each length (RFC 1951, section 3.2.2).
func assignCodes(codes []code, counts *[maxBits + 1]uint16) {
	var next [maxBits + 1]uint16
	for size := 1; size <= maxBits; size++ {
		next[size] = (next[size-1] + counts[size-1]) << 1
	}
	for i := range codes {
		if size := codes[i].len; size != 0 {
			codes[i].bits = bits.Reverse16(next[size]) >> (16 - size)
			next[size]++
		}
	}
}
