// Altered port of parts of zlib 1.3.2 (deflate.c), Copyright (C) 1995-2026 Jean-loup
// Gailly and Mark Adler, under the zlib licence: see THIRD_PARTY.md. Versions 1.2.11
// to 1.3.2 write the same.

package deflate

import (
	"encoding/binary"
	"math/bits"
)

// zlib's memLevel sets the length of its blocks and the width of its hash.
var (
	zlibMem8 = &variant{symbols: 1<<14 - 1, hashBits: 15, insert: minMatch, tooFar: tooFar, search: longestMatch}
	zlibMem9 = &variant{symbols: 1<<15 - 1, hashBits: 16, insert: minMatch, tooFar: tooFar, search: longestMatch}
)

// longestMatch finds what zlib's longest_match finds: the nearest of the longest matches among
// the first candidates of the chain. zlib tries one after the other, which takes most of its
// time. A matchSearch tries fewer.
func longestMatch(w *window, candidate, longest int) (length, start int) {
	s := matchSearch{window: w, longest: longest, start: w.matchStart, at: candidate}
	if longest < w.ahead {
		s.run()
	}
	return min(s.longest, w.ahead), s.start // the match may extend beyond the end
}

// matchLength returns how many bytes at a and b are equal, at most maxMatch.
func matchLength(buf *[2*windowSize + 8]byte, a, b int) int {
	for n := 0; n < maxMatch; n += 8 {
		differ := binary.LittleEndian.Uint64(buf[a+n:]) ^ binary.LittleEndian.Uint64(buf[b+n:])
		if differ != 0 {
			return min(n+bits.TrailingZeros64(differ)/8, maxMatch)
		}
	}
	return maxMatch
}

// load16 returns the two bytes at a position. All positions are in the window; the mask tells
// the compiler so and saves its checks.
func load16(buf *[2*windowSize + 8]byte, at int) uint16 {
	i := at & (2*windowSize - 1)
	return uint16(buf[i]) | uint16(buf[i+1])<<8
}
