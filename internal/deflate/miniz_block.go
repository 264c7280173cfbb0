// Altered port of the blocks of miniz 2.0.7: see miniz.go.

package deflate

const (
	minizCodeBuffer = 64 << 10 // bytes in miniz's buffer of symbols
	minizOwnCodes   = 48       // bytes of input from which on a block has its own codes
	minizWorthwhile = 31 << 10 // bytes of input after which a block must have saved something
)

// A minizBlock collects symbols until it is full and writes them in the form that takes the
// fewest bytes.
type minizBlock struct {
	out     bitWriter
	start   int // of its input
	size    int // of its input
	bytes   int // that its symbols take in miniz's buffer, without the flags of matches
	symbols []uint32
	lit     [litCodes]uint16 // frequency of each
	dist    [distCodes]uint16
}

func (b *minizBlock) begin(start int) {
	b.start, b.size, b.bytes, b.symbols = start, 0, 0, b.symbols[:0]
	b.lit, b.dist = [litCodes]uint16{endOfBlock: 1}, [distCodes]uint16{}
}

func (b *minizBlock) literal(c byte) {
	b.symbols = append(b.symbols, uint32(c))
	b.size++
	b.bytes++
	b.lit[c]++
}

func (b *minizBlock) match(m minizMatch) {
	length := m.length - minMatch
	b.symbols = append(b.symbols, uint32(m.dist)<<8|uint32(length))
	b.size += m.length
	b.bytes += 3
	b.lit[literals+1+int(lengthCode[length])]++
	b.dist[codeOfDist(uint32(m.dist-1))]++
}

// full reports whether miniz ends the block: its buffer has no room for more symbols, or the
// input seems incompressible. The buffer has a byte of flags for each eight symbols, which
// marks matches.
func (b *minizBlock) full() bool {
	used := b.bytes + 1 + len(b.symbols)/8
	return used > minizCodeBuffer-8 || b.size > minizWorthwhile && used*115>>7 >= b.size
}

// finish writes the block and begins the next. raw is the input of the block, or nil if miniz
// no longer has all of it; such a block is never stored. finish also flushes, and returns the
// writer's error.
func (b *minizBlock) finish(raw []byte, last bool) error {
	codes := minizFixedCodes
	if b.size >= minizOwnCodes {
		codes = ownCodes(b.lit[:], b.dist[:])
	}
	final := uint64(0)
	if last {
		final = 1
	}
	b.out.bits(final, 1)
	// miniz counts whole bytes, including the bits that wait for the first one.
	coded := (int(b.out.n) + codes.cost(b.lit[:], b.dist[:])) / 8
	if len(raw) > 0 && coded+1 >= len(raw) {
		b.stored(raw)
	} else {
		codes.write(&b.out)
		writeSymbols(&b.out, b.symbols, codes.lit, codes.dist)
	}
	b.begin(b.start + b.size)
	if last {
		b.out.align()
	}
	return b.out.flush()
}

func (b *minizBlock) stored(raw []byte) {
	n := uint64(len(raw))
	b.out.bits(storedBlock, 2)
	b.out.align()
	b.out.bits(n|(n^0xffff)<<16, 32)
	b.out.bytes(raw)
}
