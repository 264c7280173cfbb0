// Altered port of the construction of Huffman codes in zlib 1.3.2 (trees.c),
// Copyright (C) 1995-2026 Jean-loup Gailly, under the zlib licence: see
// THIRD_PARTY.md. zlib-rs does the same.

package deflate

const maxNodes = 2*litCodes + 1

// A tree is a Huffman code for one alphabet of a block. Its user counts symbols in freq; build
// makes the code.
type tree struct {
	alphabet
	freq  [maxNodes]uint16 // of symbols, followed by the inner nodes
	codes [litCodes]code
	last  int // the greatest symbol that occurs
}

// An alphabet describes the symbols of a tree.
type alphabet struct {
	symbols int
	fixed   []code  // the fixed code, or nil
	extra   []uint8 // extra bits of each symbol from first on
	first   int     // the symbol to which extra[0] belongs
	maxBits int     // of a code
}

// A builder holds the memory of build: a heap of nodes, least frequent first.
type builder struct {
	heap   [maxNodes]uint16 // used from index 1 on
	size   int              // of the heap
	done   [maxNodes]uint16 // nodes removed from the heap, from index sorted on, most frequent first
	sorted int
	parent [maxNodes]uint16
	bits   [maxNodes]uint16
	depth  [maxNodes]uint8
	counts [maxBits + 1]uint16 // number of codes by length
}

// build makes the code of t. It adds to *dynamic and *fixed the bits that the block's symbols
// take with this code and with the fixed code.
func (b *builder) build(t *tree, dynamic, fixed *int) {
	b.size, b.sorted, t.last = 0, maxNodes, -1
	for n := range t.symbols {
		t.codes[n] = code{}
		if t.freq[n] != 0 {
			b.push(n)
			t.last = n
		}
	}
	// zlib forces two codes even if fewer symbols occur; they cost nothing.
	for b.size < 2 {
		n := 0
		if t.last < 2 {
			t.last++
			n = t.last
		}
		b.push(n)
		t.freq[n] = 1
		*dynamic--
		if t.fixed != nil {
			*fixed -= int(t.fixed[n].len)
		}
	}
	for n := b.size / 2; n >= 1; n-- {
		b.sink(t, n)
	}
	b.join(t)
	b.measure(t, dynamic, fixed)
	assignCodes(t.codes[:t.last+1], &b.counts)
}

func (b *builder) push(n int) {
	b.size++
	b.heap[b.size] = uint16(n)
	b.depth[n] = 0
}

// less breaks ties by depth, and a tie of both in favour of n, as zlib does: the order of
// equal nodes decides the lengths.
func (b *builder) less(t *tree, n, m uint16) bool {
	return t.freq[n] < t.freq[m] || t.freq[n] == t.freq[m] && b.depth[n] <= b.depth[m]
}

// sink moves the node at k down the heap to its place.
func (b *builder) sink(t *tree, k int) {
	v := b.heap[k]
	for j := 2 * k; j <= b.size; j *= 2 {
		if j < b.size && b.less(t, b.heap[j+1], b.heap[j]) {
			j++
		}
		if b.less(t, v, b.heap[j]) {
			break
		}
		b.heap[k] = b.heap[j]
		k = j
	}
	b.heap[k] = v
}

// join makes one tree of the heap: the two rarest nodes get a parent until only one node is
// left.
func (b *builder) join(t *tree) {
	for node := t.symbols; ; node++ {
		n := b.heap[1]
		b.heap[1] = b.heap[b.size]
		b.size--
		b.sink(t, 1)
		m := b.heap[1]
		b.done[b.sorted-1], b.done[b.sorted-2] = n, m
		b.sorted -= 2
		t.freq[node] = t.freq[n] + t.freq[m]
		b.depth[node] = max(b.depth[n], b.depth[m]) + 1
		b.parent[n], b.parent[m] = uint16(node), uint16(node)
		b.heap[1] = uint16(node)
		b.sink(t, 1)
		if b.size < 2 {
			break
		}
	}
	b.sorted--
	b.done[b.sorted] = b.heap[1]
}

// measure sets the length of each symbol's code and counts the bits.
func (b *builder) measure(t *tree, dynamic, fixed *int) {
	b.counts = [maxBits + 1]uint16{}
	b.bits[b.done[b.sorted]] = 0
	tooLong := 0
	for _, n := range b.done[b.sorted+1:] {
		size := int(b.bits[b.parent[n]]) + 1
		if size > t.maxBits {
			size = t.maxBits
			tooLong++
		}
		b.bits[n] = uint16(size)
		if int(n) > t.last {
			continue // an inner node
		}
		t.codes[n].len = uint8(size)
		b.counts[size]++
		extra := 0
		if int(n) >= t.first {
			extra = int(t.extra[int(n)-t.first])
		}
		*dynamic += int(t.freq[n]) * (size + extra)
		if t.fixed != nil {
			*fixed += int(t.freq[n]) * (int(t.fixed[n].len) + extra)
		}
	}
	if tooLong > 0 {
		b.shorten(t, tooLong, dynamic)
	}
}

// shorten repairs a code in which tooLong nodes were cut to the greatest length: for each two,
// a leaf moves down and gets one of them as its sibling. Then it distributes the lengths
// again, the longest to the rarest.
func (b *builder) shorten(t *tree, tooLong int, dynamic *int) {
	for ; tooLong > 0; tooLong -= 2 {
		size := t.maxBits - 1
		for b.counts[size] == 0 {
			size--
		}
		b.counts[size]--
		b.counts[size+1] += 2
		b.counts[t.maxBits]--
	}
	at := maxNodes
	for size := t.maxBits; size > 0; size-- {
		for left := b.counts[size]; left > 0; {
			at--
			n := b.done[at]
			if int(n) > t.last {
				continue
			}
			*dynamic += (size - int(t.codes[n].len)) * int(t.freq[n])
			t.codes[n].len = uint8(size)
			left--
		}
	}
}
