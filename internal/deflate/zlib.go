// Altered port of parts of zlib 1.3.2 (deflate.c), Copyright (C) 1995-2026 Jean-loup
// Gailly and Mark Adler, under the zlib licence: see THIRD_PARTY.md. Versions 1.2.11
// to 1.3.2 write the same.

package deflate

import (
	"encoding/binary"
	"math/bits"
)

// zlib's memLevel decides how long its blocks are and how wide its hash is.
var (
	zlibMem8 = &variant{symbols: 1<<14 - 1, hashBits: 15, insert: minMatch, tooFar: tooFar, search: longestMatch}
	zlibMem9 = &variant{symbols: 1<<15 - 1, hashBits: 16, insert: minMatch, tooFar: tooFar, search: longestMatch}
)

// longestMatch finds what zlib's longest_match does: among the first candidates of the
// chain that begins at candidate, the nearest of the longest matches. zlib looks at one
// after the other, which takes most of its time. A matchSearch looks at fewer.
func longestMatch(w *window, candidate, longest int) (length, start int) {
	s := matchSearch{window: w, longest: longest, start: w.matchStart, at: candidate}
	if longest < w.ahead {
		s.run()
	}
	return min(s.longest, w.ahead), s.start // it may have matched bytes behind the end
}

// matchLength is how many bytes are equal at a and b: maxMatch at most.
func matchLength(buf *[2*windowSize + 8]byte, a, b int) int {
	for n := 0; n < maxMatch; n += 8 {
		differ := binary.LittleEndian.Uint64(buf[a+n:]) ^ binary.LittleEndian.Uint64(buf[b+n:])
		if differ != 0 {
			return min(n+bits.TrailingZeros64(differ)/8, maxMatch)
		}
	}
	return maxMatch
}

// load16 is of two bytes. All positions are in the window; the mask tells the compiler,
// which then leaves its own checks out.
func load16(buf *[2*windowSize + 8]byte, at int) uint16 {
	i := at & (2*windowSize - 1)
	return uint16(buf[i]) | uint16(buf[i+1])<<8
}
