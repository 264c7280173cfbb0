// Altered port of the sliding window of zlib 1.3.2 (deflate.c), Copyright (C)
// 1995-2026 Jean-loup Gailly and Mark Adler, under the zlib licence: see
// THIRD_PARTY.md. zlib-rs does the same.

package deflate

const (
	windowSize = 1 << 15
	windowMask = windowSize - 1

	// minAhead is how many bytes are kept ahead of the position until the input ends: a match
	// and the hash after it.
	minAhead = maxMatch + minMatch + 1

	// maxDist is the greatest distance of a match. It is less than deflate allows: zlib never
	// uses what the next slide may overwrite.
	maxDist = windowSize - minAhead
)

// A window is where the encoders find matches. As in zlib, it is a copy of a part of the
// input, not the input itself: where it slides decides which blocks can be stored, and an old
// encoder that reads beyond the end of the input sees what an earlier part left there. All
// positions are in buf. Position 0 also means "none".
type window struct {
	rest       []byte // input that is not in buf yet
	buf        [2*windowSize + 8]byte
	pos        int // of the next string to encode
	ahead      int // bytes of input in buf, counted from pos
	blockStart int // of the current block; negative once it has slid out
	matchStart int // of the last match

	hashShift uint
	hashMask  uint32
	head      [1 << 16]uint16    // by hash: the latest position
	prev      [windowSize]uint16 // by position & windowMask: the previous position with the same hash
	rank      [windowSize]uint16 // number of earlier positions with the same hash, modulo 1<<16
}

// begin resets the window, so that nothing of an earlier input is left.
func (w *window) begin(src []byte, hashBits uint) {
	w.rest, w.pos, w.ahead, w.blockStart, w.matchStart = src, 0, 0, 0, 0
	w.hashShift, w.hashMask = (hashBits+minMatch-1)/minMatch, 1<<hashBits-1
	clear(w.buf[:])
	clear(w.head[:1<<hashBits])
	clear(w.prev[:])
}

// fill reads as much input as fits. If pos is near the end, it slides the window first.
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

// hash returns the hash of the three bytes at pos. zlib computes it from the previous one,
// with the same result: three shifts push out everything older.
func (w *window) hash(pos int) uint32 {
	b := w.buf[pos : pos+3]
	return ((uint32(b[0])<<w.hashShift^uint32(b[1]))<<w.hashShift ^ uint32(b[2])) & w.hashMask
}

// insert inserts the string at pos and returns the latest earlier position with the same hash,
// or 0.
func (w *window) insert(pos int) int {
	h := w.hash(pos) & (1<<16 - 1)
	latest := w.head[h]
	w.prev[pos&windowMask] = latest
	w.rank[pos&windowMask] = w.rank[latest&windowMask] + 1
	w.head[h] = uint16(pos)
	return int(latest)
}

// raw returns the bytes from blockStart to pos, or nil if some have slid out.
func (w *window) raw() []byte {
	if w.blockStart < 0 {
		return nil
	}
	return w.buf[w.blockStart:w.pos]
}
