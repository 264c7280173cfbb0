// Altered port of deflate_slow of zlib 1.3.2 (deflate.c), Copyright (C) 1995-2026
// Jean-loup Gailly and Mark Adler, and of zlib-rs 0.6.8 (deflate/algorithm/slow.rs),
// Copyright (C) 2024 Trifecta Tech Foundation, both under the zlib licence: see
// THIRD_PARTY.md.

package deflate

import (
	"io"
	"sync"
)

// Level 9 of zlib and zlib-rs. It searches however long the last match was: zlib's max_lazy is
// at least maxMatch.
const (
	maxChain  = 4096 // candidates for a match
	goodMatch = 32   // after a match of this length, only a quarter of them
	niceMatch = 258  // a match of this length ends the search
)

// tooFar is the greatest distance at which zlib uses a match of minMatch bytes: beyond it,
// three literals are expected to be shorter.
const tooFar = 4096

// A variant is what distinguishes the encoders of the zlib family at level 9.
type variant struct {
	symbols  int  // per block, at most
	hashBits uint // of the hash of three bytes
	insert   int  // bytes that must be ahead to insert a string
	tooFar   int  // as the constant

	// search looks for a match at pos that is longer than longest, beginning with the
	// candidate. It returns the length and start of the longest, at most the bytes ahead. If
	// none is longer than longest, start is meaningless.
	search func(w *window, candidate, longest int) (length, start int)
}

// A lazyEncoder holds the memory of one run: 600 KB.
type lazyEncoder struct {
	window
	block
}

var lazyEncoders = sync.Pool{New: func() any {
	e := new(lazyEncoder)
	e.block.init()
	return e
}}

func (v *variant) encode(w io.Writer, src []byte) error {
	e := lazyEncoders.Get().(*lazyEncoder)
	defer lazyEncoders.Put(e)
	e.window.begin(src, v.hashBits)
	e.block.begin()
	e.max = v.symbols
	e.out.reset(w)
	defer func() { e.out.w, e.rest = nil, nil }()
	return e.run(v)
}

// run encodes the input. It uses a match only if no longer one begins one byte later, so its
// output is always one byte behind pos.
func (e *lazyEncoder) run(v *variant) error {
	length := minMatch - 1 // of the match at pos; less than minMatch: no match
	pending := false       // the byte before pos is not written yet
	for {
		if e.ahead < minAhead {
			e.fill()
			if e.ahead == 0 {
				break
			}
		}
		candidate := 0
		if e.ahead >= v.insert {
			candidate = e.insert(e.pos)
		}
		before, beforeStart := length, e.matchStart
		length = minMatch - 1
		if candidate != 0 && before < maxMatch && e.pos-candidate <= maxDist {
			length, e.matchStart = v.search(&e.window, candidate, before)
			if length == minMatch && e.pos-e.matchStart > v.tooFar {
				length = minMatch - 1
			}
		}
		full := false
		switch {
		case before >= minMatch && length <= before:
			full = e.match(e.pos-1-beforeStart, before)
			e.skip(before - 2)
			pending, length = false, minMatch-1
		case pending:
			// The block ends before pos, not after the byte at pos.
			if e.literal(e.buf[e.pos-1]) {
				if err := e.end(false); err != nil {
					return err
				}
			}
		default:
			pending = true
		}
		e.pos++
		e.ahead--
		if full {
			if err := e.end(false); err != nil {
				return err
			}
		}
	}
	if pending {
		e.literal(e.buf[e.pos-1]) // even a full block has room for one more
	}
	return e.end(true)
}

// skip inserts the next n strings, except those that reach beyond the bytes ahead, and moves
// pos to the last.
func (e *lazyEncoder) skip(n int) {
	last := min(e.pos+n, e.pos+e.ahead-minMatch)
	for pos := e.pos + 1; pos <= last; pos++ {
		e.insert(pos)
	}
	e.pos += n
	e.ahead -= n
}

// end writes the block that ends before pos.
func (e *lazyEncoder) end(last bool) error {
	err := e.finish(e.raw(), last)
	e.blockStart = e.pos
	return err
}
