package deflate

import (
	"fmt"
	"slices"
)

// A random is a generator whose numbers never change, since golden hashes depend on them
// (xorshift64*, Vigna 2014).
type random uint64

func (r *random) next() uint64 {
	*r ^= *r >> 12
	*r ^= *r << 25
	*r ^= *r >> 27
	return uint64(*r) * 0x2545f4914f6cdd1d
}

func (r *random) below(n int) int { return int(r.next() >> 33 % uint64(n)) }

// kinds make inputs of n bytes, each aimed at another weakness of an encoder.
var kinds = []struct {
	name string
	make func(r *random, n int) []byte
}{
	{"zeros", func(_ *random, n int) []byte { return make([]byte, n) }},
	{"noise", noise},
	{"few symbols", func(r *random, n int) []byte {
		symbols := 2 + r.below(6)
		return fill(n, func(b []byte) []byte { return append(b, byte(r.below(symbols))) })
	}},
	{"runs", func(r *random, n int) []byte {
		return fill(n, func(b []byte) []byte {
			c := byte(r.below(4))
			for range 1 + r.below(600) {
				b = append(b, c)
			}
			return b
		})
	}},
	{"period", func(r *random, n int) []byte { // matches at the far end of the window and beyond
		period := noise(r, []int{1, 3, 5, 257, 4095, 4097, 32505, 32506, 32507, 32767, 32768}[r.below(11)])
		return fill(n, func(b []byte) []byte {
			b = append(b, period...)
			b[len(b)-1-r.below(len(period))] ^= byte(r.below(2))
			return b
		})
	}},
	{"copies", func(r *random, n int) []byte {
		return fill(n, func(b []byte) []byte {
			if len(b) < 10 || r.below(3) == 0 {
				return append(b, noise(r, 1+r.below(9))...)
			}
			size := 3 + r.below(6)
			if r.below(8) == 0 {
				size = 3 + r.below(300)
			}
			from := len(b) - 1 - r.below(min(len(b), 40000))
			for i := range size {
				b = append(b, b[from+i])
			}
			return b
		})
	}},
	{"text", text},
	{"skewed", func(r *random, n int) []byte { // makes the code of the lengths too long
		return fill(n, func(b []byte) []byte {
			c := 0
			for c < 255 && r.below(3) > 0 {
				c++
			}
			return append(b, byte(c*7))
		})
	}},
	{"tar", func(r *random, n int) []byte {
		return fill(n, func(b []byte) []byte {
			size := r.below(20000)
			header := make([]byte, 512)
			copy(header, fmt.Sprintf("crate-1.%d.0/src/mod%d.rs", r.below(9), r.below(99)))
			copy(header[100:], fmt.Sprintf("0000644\x000000000\x000000000\x00%011o\x0014%09o\x00", size, r.below(1<<27)))
			copy(header[257:], "ustar  \x00")
			b = append(append(b, header...), text(r, size)...)
			return append(b, make([]byte, -size&511)...)
		})
	}},
	{"patches", func(r *random, n int) []byte { // text and noise alternate
		return fill(n, func(b []byte) []byte {
			b = append(b, noise(r, r.below(40000))...)
			return append(b, text(r, r.below(40000))...)
		})
	}},
	{"poor matches", func(r *random, n int) []byte { // matches that cost as much as they save
		return fill(n, func(b []byte) []byte {
			b = append(b, noise(r, 6+r.below(30))...)
			from := max(len(b)-3-r.below(8192), 0)
			return append(b, b[from:from+3]...)
		})
	}},
}

// sizes are around the limits of zlib: its window, its lookahead, its blocks.
var sizes = []int{0, 1, 2, 3, 4, 5, 9, 258, 259, 262, 300, 1000, 16382, 16383, 16384, 16385, 32506, 32767, 32768, 32769,
	65273, 65274, 65275, 65276, 65535, 65536, 65537, 98042, 98043, 98304, 131072, 200000, 700000}

// shortInputs returns inputs of up to 150 bytes, and one with a match of 128 bytes one byte
// before a longer one.
func shortInputs() [][]byte {
	var inputs [][]byte
	for _, kind := range kinds {
		for n := range 150 {
			r := random(1 + n)
			inputs = append(inputs, kind.make(&r, n))
		}
	}
	r := random(1)
	b := noise(&r, 200)
	return append(inputs, slices.Concat(b[:128], b[:9], b[1:], b[:9], b))
}

func noise(r *random, n int) []byte {
	return fill(n, func(b []byte) []byte { return append(b, byte(r.next()>>40)) })
}

func text(r *random, n int) []byte {
	words := []string{"fn ", "let ", "mut ", "self", "impl ", "pub ", " -> ", "Result", "<", ">", "(", ")", "{\n", "}\n", ";\n", "    ", "::", "std", "serde", "&", "Error", "// "}
	return fill(n, func(b []byte) []byte {
		if r.below(9) == 0 {
			return fmt.Appendf(b, "x%d", r.below(5000))
		}
		return append(b, words[r.below(len(words))]...)
	})
}

func fill(n int, more func([]byte) []byte) []byte {
	b := make([]byte, 0, n+1)
	for len(b) < n {
		b = more(b)
	}
	return b[:n]
}
