// Altered port of the blocks of miniz 2.0.7: see miniz.go.

package deflate

const (
	minizCodeBuffer = 64 << 10 // bytes of miniz's buffer of symbols
	minizOwnCodes   = 48       // bytes from which on a block has codes of its own
	minizWorthwhile = 31 << 10 // bytes after which a block must have saved something
)

// A minizBlock collects symbols until it is full and writes them in the way that
// takes the fewest bytes.
type minizBlock struct {
	out     bitWriter
	start   int // of the bytes that it stands for
	size    int // of them
	bytes   int // of its symbols in miniz's buffer, without those that say which are matches
	symbols []uint32
	lit     [litCodes]uint16 // how often each occurs
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

// full says whether miniz ends the block: its buffer has no room for more symbols,
// or what it stands for does not look as if it could be made smaller. Each eight
// symbols have a byte in the buffer that says which of them are matches.
func (b *minizBlock) full() bool {
	used := b.bytes + 1 + len(b.symbols)/8
	return used > minizCodeBuffer-8 || b.size > minizWorthwhile && used*115>>7 >= b.size
}

// finish writes the block and begins the next. The bytes that it stands for are raw,
// or nil where miniz has lost some of them: then it is not stored. All that is known
// goes to the writer, whose error is returned.
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
	// Whole bytes are counted, and those bits with them that wait for the first.
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
