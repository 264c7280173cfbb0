// Altered port of deflate_slow of zlib 1.3.2 (deflate.c), Copyright (C) 1995-2026
// Jean-loup Gailly and Mark Adler, and of zlib-rs 0.6.8 (deflate/algorithm/slow.rs),
// Copyright (C) 2024 Trifecta Tech Foundation, both under the zlib licence: see
// THIRD_PARTY.md.

package deflate

import (
	"io"
	"sync"
)

// Level 9 of both. It searches however long the last match was: zlib's max_lazy is
// no less than maxMatch.
const (
	maxChain  = 4096 // candidates for a match
	goodMatch = 32   // after a match of this length a quarter of them
	niceMatch = 258  // a match of this length ends the search
)

// tooFar is the greatest distance of a match of minMatch bytes in zlib: behind it
// three literals are thought to be shorter.
const tooFar = 4096

// A variant is what distinguishes the encoders of the zlib family at level 9.
type variant struct {
	symbols  int  // of a block, at most
	hashBits uint // of three bytes
	insert   int  // bytes ahead that it takes to enter a string
	tooFar   int  // see there

	// search looks for a match at pos that is longer than longest, first at the
	// candidate. It returns the longest, never one of more bytes than are ahead;
	// where that is not longer, where it begins does not matter.
	search func(w *window, candidate, longest int) (length, start int)
}

// A lazyEncoder is the memory of one run: 600 KB.
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

// run takes a match only if none that is longer begins one byte later: so it is
// always a byte behind pos with its output.
func (e *lazyEncoder) run(v *variant) error {
	length := minMatch - 1 // of the match at pos; below minMatch there is none
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
			// The block ends before pos, not behind the byte there.
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
		e.literal(e.buf[e.pos-1]) // there is room for one more in a full block
	}
	return e.end(true)
}

// skip enters the next n strings, but none that reach behind what is ahead, and moves
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
