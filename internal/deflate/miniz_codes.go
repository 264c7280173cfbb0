// Altered port of the codes of miniz 2.0.7: see miniz.go.

package deflate

// minizCodes are the Huffman codes of a block: the fixed ones, or its own, whose lengths are
// written before the symbols.
type minizCodes struct {
	lit, dist []code
	runs      []lenSymbol // the lengths of both codes, or nil
	lens      []code      // the code of runs
	written   int         // number of lens that are written
}

var minizFixedCodes = &minizCodes{lit: fixedLit[:litCodes], dist: fixedDist[:]}

// ownCodes makes the codes for symbols with these frequencies.
func ownCodes(lit, dist []uint16) *minizCodes {
	c := &minizCodes{
		lit:  trim(huffman(lit, maxBits), literals+1),
		dist: trim(huffman(dist, maxBits), 1),
	}
	c.runs = minizRuns(append(c.lit[:len(c.lit):len(c.lit)], c.dist...))
	freq := make([]uint16, lenCodes)
	for _, r := range c.runs {
		freq[r.symbol]++
	}
	c.lens = huffman(freq, maxLenBits)
	c.written = lenCodes
	for c.written > 4 && c.lens[lenOrder[c.written-1]].len == 0 { // at least 4 are written
		c.written--
	}
	return c
}

// trim removes unused codes at the end, down to least codes.
func trim(codes []code, least int) []code {
	for len(codes) > least && codes[len(codes)-1].len == 0 {
		codes = codes[:len(codes)-1]
	}
	return codes
}

// minizRuns returns the symbols for the lengths of codes. A run may extend from the literals
// into the distances.
func minizRuns(codes []code) []lenSymbol {
	var runs []lenSymbol
	for from := 0; from < len(codes); {
		size, to := codes[from].len, from+1
		for to < len(codes) && codes[to].len == size {
			to++
		}
		if size == 0 {
			runs = appendRun(runs, size, to-from, 138)
		} else {
			runs = appendRun(append(runs, lenSymbol{symbol: size}), size, to-from-1, 6)
		}
		from = to
	}
	return runs
}

// appendRun repeats a length a number of times, at most most times per symbol.
func appendRun(runs []lenSymbol, size uint8, times, most int) []lenSymbol {
	for times > 0 {
		n := min(times, most)
		times -= n
		switch {
		case n < 3:
			for range n {
				runs = append(runs, lenSymbol{symbol: size})
			}
		case size != 0:
			runs = append(runs, lenSymbol{repeatLast, uint8(n - 3)})
		case n <= 10:
			runs = append(runs, lenSymbol{repeatZero, uint8(n - 3)})
		default:
			runs = append(runs, lenSymbol{repeatZeros, uint8(n - 11)})
		}
	}
	return runs
}

// cost returns the bits of a block with these symbols, except the first bit.
func (c *minizCodes) cost(lit, dist []uint16) int {
	n := 2
	if c.runs != nil {
		n += 5 + 5 + 4 + 3*c.written
	}
	for _, r := range c.runs {
		n += int(c.lens[r.symbol].len) + int(lenExtra[r.symbol])
	}
	for s, code := range c.lit {
		n += int(lit[s]) * int(code.len)
		if s > endOfBlock {
			n += int(lit[s]) * int(lengthExtra[s-endOfBlock-1])
		}
	}
	for s, code := range c.dist {
		n += int(dist[s]) * (int(code.len) + int(distExtra[s]))
	}
	return n
}

// write writes the header of a block: its kind and, if they are its own, the codes.
func (c *minizCodes) write(out *bitWriter) {
	if c.runs == nil {
		out.bits(fixedBlock, 2)
		return
	}
	out.bits(dynamicBlock, 2)
	out.bits(uint64(len(c.lit)-literals-1), 5)
	out.bits(uint64(len(c.dist)-1), 5)
	out.bits(uint64(c.written-4), 4)
	for _, symbol := range lenOrder[:c.written] {
		out.bits(uint64(c.lens[symbol].len), 3)
	}
	for _, r := range c.runs {
		out.bits(uint64(c.lens[r.symbol].bits), uint(c.lens[r.symbol].len))
		out.bits(uint64(r.repeat), uint(lenExtra[r.symbol]))
	}
}
