// Altered port of the Huffman coding of miniz 2.0.7: see miniz.go. It computes lengths
// as Alistair Moffat and Jyrki Katajainen do ("In-place calculation of
// minimum-redundancy codes", 1995).

package deflate

import "slices"

// minizDepth exceeds the longest code before it is cut: a block has fewer than 2^16 symbols,
// and a code of n bits needs at least as many as the n-th Fibonacci number.
const minizDepth = 32

// huffman makes a code of at most limit bits for symbols with these frequencies.
func huffman(freq []uint16, limit int) []code {
	var sorted []uint32 // frequency and symbol, the rarest first
	for symbol, n := range freq {
		if n != 0 {
			sorted = append(sorted, uint32(n)<<16|uint32(symbol))
		}
	}
	slices.Sort(sorted)
	depths := huffmanDepths(sorted)
	counts := limitDepths(depths, limit)
	codes := make([]code, len(freq))
	for size, left := 1, len(sorted); size <= limit; size++ {
		for range counts[size] {
			left--
			codes[sorted[left]&0xffff].len = uint8(size)
		}
	}
	assignCodes(codes, &counts)
	return codes
}

// huffmanDepths counts the leaves of Huffman's tree by their depth. Between a leaf and an
// inner node of the same weight, the leaf goes first, which keeps the tree flat.
func huffmanDepths(leaves []uint32) (depths [minizDepth + 1]int) {
	n := len(leaves)
	if n < 2 {
		depths[1] = n // a single symbol has a code of one bit
		return depths
	}
	var weight, parent, depth [2 * litCodes]int // leaves, then inner nodes, both by weight
	for i, leaf := range leaves {
		weight[i] = int(leaf >> 16)
	}
	root := 2*n - 2
	leaf, inner := 0, n
	for node := n; node <= root; node++ {
		for range 2 {
			child := &inner
			if leaf < n && (inner == node || weight[leaf] <= weight[inner]) {
				child = &leaf
			}
			weight[node] += weight[*child]
			parent[*child] = node
			*child++
		}
	}
	for node := root - 1; node >= 0; node-- {
		depth[node] = depth[parent[node]] + 1
		if node < n {
			depths[depth[node]]++
		}
	}
	return depths
}

// limitDepths cuts codes to limit bits. While there are too many of that length, it removes
// one and splits the longest of the shorter ones into two.
func limitDepths(depths [minizDepth + 1]int, limit int) (counts [maxBits + 1]uint16) {
	used, leaves := 0, 0 // of the 2^limit codes of that length
	for size, n := range depths {
		size = min(size, limit)
		counts[size] += uint16(n)
		used += n << (limit - size)
		leaves += n
	}
	for ; leaves > 1 && used > 1<<limit; used-- {
		counts[limit]--
		size := limit - 1
		for counts[size] == 0 {
			size--
		}
		counts[size]--
		counts[size+1] += 2
	}
	return counts
}
