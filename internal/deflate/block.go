// Altered port of the choice and writing of blocks in zlib 1.3.2 (trees.c),
// Copyright (C) 1995-2026 Jean-loup Gailly, under the zlib licence: see
// THIRD_PARTY.md. zlib-rs does the same.

package deflate

// The kinds of blocks (RFC 1951, section 3.2.3).
const (
	storedBlock  = 0
	fixedBlock   = 1
	dynamicBlock = 2
)

// A block collects symbols and writes them in the form that takes the fewest bits.
type block struct {
	out     bitWriter
	max     int // symbols per block
	n       int // symbols so far
	symbols [1 << 15]uint32
	lit     tree
	dist    tree
	lens    tree // the code of the lengths of lit and dist
	builder builder
}

func (b *block) init() {
	b.lit.alphabet = alphabet{symbols: litCodes, fixed: fixedLit[:], extra: lengthExtra[:], first: literals + 1, maxBits: maxBits}
	b.dist.alphabet = alphabet{symbols: distCodes, fixed: fixedDist[:], extra: distExtra[:], maxBits: maxBits}
	b.lens.alphabet = alphabet{symbols: lenCodes, extra: lenExtra[:], maxBits: maxLenBits}
}

// begin starts an empty block.
func (b *block) begin() {
	b.n = 0
	clear(b.lit.freq[:litCodes])
	clear(b.dist.freq[:distCodes])
	clear(b.lens.freq[:lenCodes])
	b.lit.freq[endOfBlock] = 1
}

// A symbol is a literal, or a match: its length - minMatch in the low 8 bits, its distance in
// the others.

// literal adds a byte and reports whether the block is full.
func (b *block) literal(c byte) bool {
	b.symbols[b.n] = uint32(c)
	b.n++
	b.lit.freq[c]++
	return b.n == b.max
}

// match adds a match and reports whether the block is full.
func (b *block) match(dist, length int) bool {
	length -= minMatch
	b.symbols[b.n] = uint32(dist)<<8 | uint32(length)
	b.n++
	b.lit.freq[literals+1+int(lengthCode[length])]++
	b.dist.freq[codeOfDist(uint32(dist-1))]++
	return b.n == b.max
}

// finish writes the block and begins the next. raw is the input of the block, or nil if the
// encoder no longer has all of it; such a block is never stored. finish also flushes, and
// returns the writer's error.
func (b *block) finish(raw []byte, last bool) error {
	dynamic, fixed := 0, 0 // bits
	b.builder.build(&b.lit, &dynamic, &fixed)
	b.builder.build(&b.dist, &dynamic, &fixed)
	lens := b.buildLens(&dynamic)
	// zlib compares whole bytes, including the three bits of a block's header.
	dynamic, fixed = (dynamic+3+7)/8, (fixed+3+7)/8
	final := uint64(0)
	if last {
		final = 1
	}
	switch {
	case raw != nil && len(raw)+4 <= min(dynamic, fixed): // 4: its length, twice
		b.out.bits(storedBlock<<1|final, 3)
		b.out.align()
		n := uint64(len(raw))
		b.out.bits(n|(n^0xffff)<<16, 32)
		b.out.bytes(raw)
	case fixed <= dynamic:
		b.out.bits(fixedBlock<<1|final, 3)
		writeSymbols(&b.out, b.symbols[:b.n], fixedLit[:litCodes], fixedDist[:])
	default:
		b.out.bits(dynamicBlock<<1|final, 3)
		b.writeLens(lens)
		writeSymbols(&b.out, b.symbols[:b.n], b.lit.codes[:], b.dist.codes[:distCodes])
	}
	b.begin()
	if last {
		b.out.align()
	}
	return b.out.flush()
}

// writeSymbols writes the symbols of a block and its end with these codes.
func writeSymbols(out *bitWriter, symbols []uint32, lit, dist []code) {
	for _, s := range symbols {
		if s < literals {
			c := lit[s]
			out.bits(uint64(c.bits), uint(c.len))
			continue
		}
		length, d := s&0xff, s>>8-1
		lc, dc := lengthCode[length], codeOfDist(d)
		c := lit[literals+1+int(lc)]
		v, n := uint64(c.bits), uint(c.len)
		v |= uint64(length-uint32(lengthBase[lc])) << n
		n += uint(lengthExtra[lc])
		c = dist[dc]
		v |= uint64(c.bits) << n
		n += uint(c.len)
		v |= uint64(d-uint32(distBase[dc])) << n
		n += uint(distExtra[dc])
		out.bits(v, n)
	}
	c := lit[endOfBlock]
	out.bits(uint64(c.bits), uint(c.len))
}
