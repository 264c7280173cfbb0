// Altered port of longest_match of zlib 1.3.2 (deflate.c), Copyright (C) 1995-2026
// Jean-loup Gailly and Mark Adler, under the zlib licence: see THIRD_PARTY.md.
// Versions 1.2.11 to 1.3.2 find the same.

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

// longestMatch is the search of zlib: it follows the chain of equal hashes from
// candidate and keeps the first of the longest matches.
func longestMatch(w *window, candidate, longest int) (length, start int) {
	chain := maxChain
	if longest >= goodMatch {
		chain /= 4
	}
	limit := max(w.pos-maxDist, 0) // the first candidate may be there, a later one not
	nice := min(niceMatch, w.ahead)
	start = w.matchStart
	buf := &w.buf
	head := load16(buf, w.pos)
	tail := load16(buf, w.pos+longest-1) // what a longer match ends in
	for {
		if load16(buf, candidate+longest-1) == tail && load16(buf, candidate) == head {
			if n := matchLength(buf, candidate, w.pos); n > longest {
				longest, start = n, candidate
				if n >= nice {
					break
				}
				tail = load16(buf, w.pos+longest-1)
			}
		}
		candidate = int(w.prev[candidate&windowMask])
		chain--
		if candidate <= limit || chain == 0 {
			break
		}
	}
	return min(longest, w.ahead), start // it may have matched bytes behind the end
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

func load16(buf *[2*windowSize + 8]byte, at int) uint16 {
	return binary.LittleEndian.Uint16(buf[at:])
}
