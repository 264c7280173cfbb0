// Altered port of the match finder of miniz 2.0.7: see miniz.go.

package deflate

import (
	"encoding/binary"
	"math/bits"
)

const (
	// So many candidates are looked at, for a match longer than one of minizLong bytes
	// and for others: level 9 has 768 and a fourth of them, in threes.
	minizLooks     = (768 + 2) / 3 * 3
	minizLooksLong = (768/4 + 2) / 3 * 3
	minizLong      = 32
)

// A minizFinder finds earlier copies of what follows. Its places are positions in 16
// bits, so that very old ones come up again as if they were near: they are compared
// like all others.
type minizFinder struct {
	pos      int // where longest looked last
	ahead    int // how many bytes miniz had read then, from pos on
	inserted int // positions before it are in the chains

	first [1 << 15]uint16    // by hash, the latest place, or 0
	prev  [windowSize]uint16 // by place, the one before it of the same hash, or 0
}

// longest finds the nearest of the longest matches at pos that are longer than
// least bytes. Without one its distance is 0 and its length least.
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
	ends := src[least-1 : pos+f.ahead] // by position, the two bytes in which a longer match there ends
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
		looks -= (looks - 1) % 3 // miniz begins a new three here
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

// insert puts all positions into the chains whose three bytes have been read.
func (f *minizFinder) insert(read []byte) {
	for ; f.inserted+minMatch <= len(read); f.inserted++ {
		at := read[f.inserted:][:minMatch]
		hash := (uint(at[0])<<10 ^ uint(at[1])<<5 ^ uint(at[2])) % uint(len(f.first))
		f.prev[f.inserted&windowMask] = f.first[hash]
		f.first[hash] = uint16(f.inserted)
	}
}

// commonLength is how many bytes are equal at a and at b, which is behind it: most at most.
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
