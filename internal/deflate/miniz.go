// Altered port of the compressor of miniz 2.0.7 (tdefl in miniz.c, as the crate
// miniz-sys 0.1.12 carries it), Copyright 2013-2014 RAD Game Tools and Valve Software,
// 2010-2014 Rich Geldreich and Tenacious Software LLC, under the MIT licence: see
// THIRD_PARTY.md. Version 1.16 of 2013 writes the same, and so does miniz_oxide 0.8
// where the input is longer than 32 bytes, as every tar is.

package deflate

import (
	"io"
	"sync"
)

// Level 9 of miniz.
const (
	minizLongest = 128      // a match of this length is used without looking at the next position
	minizTooFar  = 8 * 1024 // from this distance on, a match of three bytes costs more than it saves
)

// A minizParser chooses the symbols: a match waits one position, and is dropped if a longer
// one begins there.
type minizParser struct {
	src    []byte
	pos    int // everything before it is in a symbol, except the byte at which waiting begins
	finder minizFinder
	// waiting is a match at pos-1; its length is 0 if there is none.
	waiting minizMatch
	block   minizBlock
}

// A minizMatch repeats length bytes from a distance of dist bytes.
type minizMatch struct{ length, dist int }

var minizParsers = sync.Pool{New: func() any { return new(minizParser) }}

func encodeMiniz9(w io.Writer, src []byte) error {
	p := minizParsers.Get().(*minizParser)
	defer minizParsers.Put(p)
	p.src, p.pos, p.waiting, p.finder = src, 0, minizMatch{}, minizFinder{}
	defer func() { p.src, p.block.out.w = nil, nil }()
	p.block.out.reset(w)
	p.block.begin(0)
	for p.pos < len(src) {
		p.step()
		if !p.block.full() {
			continue
		}
		if err := p.block.finish(p.raw(), false); err != nil {
			return err
		}
	}
	return p.block.finish(p.raw(), true)
}

// step finds the longest match at pos, writes what is now certain and advances pos.
func (p *minizParser) step() {
	match := p.finder.longest(p.src, p.pos, max(p.waiting.length, minMatch-1))
	// The second rule loses matches that begin at a multiple of the window: miniz compares a
	// distance with a position, by mistake.
	if match.length == minMatch && match.dist >= minizTooFar || match.dist == p.pos%windowSize {
		match = minizMatch{}
	}
	waiting := p.waiting
	p.waiting = minizMatch{}
	switch {
	case waiting.length >= match.length && waiting.length > 0:
		p.block.match(waiting)
		p.pos += waiting.length - 1
		return
	case waiting.length > 0:
		p.block.literal(p.src[p.pos-1])
	case match.dist == 0:
		p.block.literal(p.src[p.pos])
		p.pos++
		return
	}
	if match.length >= minizLongest {
		p.block.match(match)
		p.pos += match.length
		return
	}
	p.waiting = match
	p.pos++
}

// raw returns the input of the block, or nil if it extends beyond miniz's ring of 32 KiB,
// which also has the bytes read ahead. (Such a block is never stored, however little it
// saves.)
func (p *minizParser) raw() []byte {
	ahead := p.finder.ahead - (p.pos - p.finder.pos)
	if p.pos-p.block.start > windowSize-ahead {
		return nil
	}
	return p.src[p.block.start:][:p.block.size]
}
