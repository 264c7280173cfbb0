// Altered port of the writing of code lengths in zlib 1.3.2 (trees.c), Copyright (C)
// 1995-2026 Jean-loup Gailly, under the zlib licence: see THIRD_PARTY.md. zlib-rs
// does the same.

package deflate

import "iter"

// Symbols for repeated code lengths (RFC 1951, section 3.2.7).
const (
	repeatLast  = 16 // the previous length, 3 to 6 times
	repeatZero  = 17 // 3 to 10 times
	repeatZeros = 18 // 11 to 138 times
)

// A lenSymbol is a code length, or how often one is repeated.
type lenSymbol struct {
	symbol uint8
	repeat uint8 // more than the least that the symbol stands for
}

// runs returns the lengths of t's codes in the form in which they are written.
func runs(t *tree) iter.Seq[lenSymbol] {
	return func(yield func(lenSymbol) bool) {
		prev, count := -1, 0
		for n := 0; n <= t.last; n++ {
			size, next := int(t.codes[n].len), -1
			if n < t.last {
				next = int(t.codes[n+1].len)
			}
			count++
			if size == next && count < longestRun(size, prev) {
				continue
			}
			if !writeRun(size, prev, count, yield) {
				return
			}
			prev, count = size, 0
		}
	}
}

// longestRun returns after how many equal lengths zlib ends a run. The first of them is
// written by itself unless it repeats the previous length.
func longestRun(size, prev int) int {
	switch {
	case size == 0:
		return 138
	case size == prev:
		return 6
	}
	return 7
}

func writeRun(size, prev, count int, yield func(lenSymbol) bool) bool {
	least := 3
	if size != 0 && size != prev {
		least = 4
	}
	switch {
	case count < least:
		for range count {
			if !yield(lenSymbol{symbol: uint8(size)}) {
				return false
			}
		}
		return true
	case size != 0 && size != prev:
		return yield(lenSymbol{symbol: uint8(size)}) && yield(lenSymbol{repeatLast, uint8(count - 1 - 3)})
	case size != 0:
		return yield(lenSymbol{repeatLast, uint8(count - 3)})
	case count <= 10:
		return yield(lenSymbol{repeatZero, uint8(count - 3)})
	}
	return yield(lenSymbol{repeatZeros, uint8(count - 11)})
}

// buildLens makes the code of the lengths of the other two codes, adds to *dynamic the bits of
// those lengths, and returns how many lengths of its own must be written.
func (b *block) buildLens(dynamic *int) int {
	for _, t := range []*tree{&b.lit, &b.dist} {
		for s := range runs(t) {
			b.lens.freq[s.symbol]++
		}
	}
	none := 0
	b.builder.build(&b.lens, dynamic, &none)
	n := lenCodes
	for n > 4 && b.lens.codes[lenOrder[n-1]].len == 0 { // at least 4 are written
		n--
	}
	*dynamic += 3*n + 5 + 5 + 4
	return n
}

// writeLens writes the header of a dynamic block.
func (b *block) writeLens(n int) {
	b.out.bits(uint64(b.lit.last+1-257), 5)
	b.out.bits(uint64(b.dist.last+1-1), 5)
	b.out.bits(uint64(n-4), 4)
	for _, l := range lenOrder[:n] {
		b.out.bits(uint64(b.lens.codes[l].len), 3)
	}
	for _, t := range []*tree{&b.lit, &b.dist} {
		for s := range runs(t) {
			c := b.lens.codes[s.symbol]
			b.out.bits(uint64(c.bits)|uint64(s.repeat)<<c.len, uint(c.len)+uint(lenExtra[s.symbol]))
		}
	}
}
