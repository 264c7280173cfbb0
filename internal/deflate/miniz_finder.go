// Altered port of the match finder of miniz 2.0.7: see miniz.go.

package deflate

import (
	"encoding/binary"
	"math/bits"
)

const (
	// The candidates that are tried for a match longer than one of minizLong bytes, and for
	// other matches: level 9 has 768 and a quarter of that, in groups of three.
	minizLooks     = (768 + 2) / 3 * 3
	minizLooksLong = (768/4 + 2) / 3 * 3
	minizLong      = 32
)

// A minizFinder finds earlier copies of the next bytes. Its places are positions in 16 bits,
// so very old ones come back as if they were near. They are compared like all others.
type minizFinder struct {
	pos      int // of the last search
	ahead    int // how many bytes miniz had read then, counted from pos
	inserted int // the chains have all positions before it

	first [1 << 15]uint16    // by hash: the latest place, or 0
	prev  [windowSize]uint16 // by place: the previous place with the same hash, or 0
}

// longest returns the nearest of the longest matches at pos that are longer than least bytes.
// If there is none, the distance is 0 and the length is least.
func (f *minizFinder) longest(src []byte, pos, least int) minizMatch {
	f.pos, f.ahead = pos, min(len(src)-pos, maxMatch)
	f.insert(src[:pos+f.ahead])
	best := minizMatch{length: least}
	if f.ahead <= least {
		return best
	}
	looks := minizLooks
	if least >= minizLong {
		looks = minizLooksLong
	}
	farthest := min(pos, windowSize-f.ahead)
	head := binary.LittleEndian.Uint16(src[pos:])
	ends := src[least-1 : pos+f.ahead] // by position: the two bytes at the end of a match that is longer there
	end0, end1 := ends[pos], ends[pos+1]
	prev, place := &f.prev, uint(pos)
	for ; looks > 0; looks-- {
		place = uint(prev[place&windowMask])
		dist := int((uint(pos) - place) & 0xffff)
		if place == 0 || dist > farthest {
			break
		}
		if at := pos - dist; ends[at+1] != end1 || ends[at] != end0 {
			continue
		}
		looks -= (looks - 1) % 3 // miniz begins a new group of three here
		if dist == 0 {
			break
		}
		if binary.LittleEndian.Uint16(src[pos-dist:]) != head {
			continue
		}
		if n := commonLength(src, pos-dist, pos, f.ahead); n > best.length {
			best = minizMatch{n, dist}
			if n == f.ahead {
				break
			}
			ends = src[n-1 : pos+f.ahead]
			end0, end1 = ends[pos], ends[pos+1]
		}
	}
	return best
}

// insert adds all positions whose three bytes have been read to the chains.
func (f *minizFinder) insert(read []byte) {
	for ; f.inserted+minMatch <= len(read); f.inserted++ {
		at := read[f.inserted:][:minMatch]
		hash := (uint(at[0])<<10 ^ uint(at[1])<<5 ^ uint(at[2])) % uint(len(f.first))
		f.prev[f.inserted&windowMask] = f.first[hash]
		f.first[hash] = uint16(f.inserted)
	}
}

// commonLength returns how many bytes at a and b are equal, at most most. b is after a.
func commonLength(src []byte, a, b, most int) int {
	n := 0
	for ; n+8 <= most; n += 8 {
		differ := binary.LittleEndian.Uint64(src[a+n:]) ^ binary.LittleEndian.Uint64(src[b+n:])
		if differ != 0 {
			return n + bits.TrailingZeros64(differ)/8
		}
	}
	for n < most && src[a+n] == src[b+n] {
		n++
	}
	return n
}
