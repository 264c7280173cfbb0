// Altered port of the sliding window of zlib 1.3.2 (deflate.c), Copyright (C)
// 1995-2026 Jean-loup Gailly and Mark Adler, under the zlib licence: see
// THIRD_PARTY.md. zlib-rs does the same.

package deflate

const (
	windowSize = 1 << 15
	windowMask = windowSize - 1

	// minAhead is how many bytes are kept ahead of the position until the input
	// ends: a match, and a hash behind it.
	minAhead = maxMatch + minMatch + 1

	// maxDist is how far back a match begins at most. It is less than deflate
	// allows: zlib never looks at what sliding may be about to overwrite.
	maxDist = windowSize - minAhead
)

// A window is where the encoders find matches. It is a copy of a part of the input,
// as in zlib, not the input itself: where it slides decides which blocks can be
// stored, and what an old encoder sees behind the end of the input is what an earlier
// part of it left there. All positions are in buf. Position 0 also means "none".
type window struct {
	rest       []byte // of the input, not in buf yet
	buf        [2*windowSize + 8]byte
	pos        int // of the string to be encoded next
	ahead      int // bytes of input in buf from pos on
	blockStart int // of the block that is being collected; negative once it slid away
	matchStart int // of the last match that was found

	hashShift uint
	hashMask  uint32
	head      [1 << 16]uint16    // the latest position of a hash
	prev      [windowSize]uint16 // the position before it with the same hash, by position & windowMask
	rank      [windowSize]uint16 // how many positions have had the same hash, modulo 1<<16
}

// begin is as if the window was made just now: nothing of an earlier input is left.
func (w *window) begin(src []byte, hashBits uint) {
	w.rest, w.pos, w.ahead, w.blockStart, w.matchStart = src, 0, 0, 0, 0
	w.hashShift, w.hashMask = (hashBits+minMatch-1)/minMatch, 1<<hashBits-1
	clear(w.buf[:])
	clear(w.head[:1<<hashBits])
	clear(w.prev[:])
}

// fill reads as much input as there is room for, after it made room if pos is near
// the end.
func (w *window) fill() {
	if w.pos >= windowSize+maxDist {
		copy(w.buf[:windowSize], w.buf[windowSize:])
		w.pos -= windowSize
		w.blockStart -= windowSize
		w.matchStart -= windowSize
		slide(w.head[:w.hashMask+1])
		slide(w.prev[:])
	}
	end := w.pos + w.ahead
	n := copy(w.buf[end:2*windowSize], w.rest)
	w.rest = w.rest[n:]
	w.ahead += n
}

func slide(positions []uint16) {
	for i, p := range positions {
		positions[i] = max(p, windowSize) - windowSize
	}
}

// hash is of the three bytes at pos. zlib computes it from the one before, to the
// same end: three shifts push everything older out.
func (w *window) hash(pos int) uint32 {
	b := w.buf[pos : pos+3]
	return ((uint32(b[0])<<w.hashShift^uint32(b[1]))<<w.hashShift ^ uint32(b[2])) & w.hashMask
}

// insert enters the string at pos and gives the latest one before it of the same
// hash, or 0.
func (w *window) insert(pos int) int {
	h := w.hash(pos) & (1<<16 - 1)
	latest := w.head[h]
	w.prev[pos&windowMask] = latest
	w.rank[pos&windowMask] = w.rank[latest&windowMask] + 1
	w.head[h] = uint16(pos)
	return int(latest)
}

// raw gives the bytes from blockStart to pos, or nil where some slid away.
func (w *window) raw() []byte {
	if w.blockStart < 0 {
		return nil
	}
	return w.buf[w.blockStart:w.pos]
}
