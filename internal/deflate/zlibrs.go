// Altered port of longest_match_slow of zlib-rs 0.6.8 and 0.5.5
// (deflate/longest_match.rs), Copyright (C) 2024 Trifecta Tech Foundation, which has
// it from zlib-ng, Copyright (C) 1995-2024 Jean-loup Gailly and Mark Adler, all under
// the zlib licence: see THIRD_PARTY.md. zlib-ng 2.3.3 finds what 0.6.8 does.

package deflate

// zlib-rs is like zlib with memLevel 8, which flate2 asks for, with three differences: it has
// another search, inserts a string only with four bytes ahead, and uses matches of three bytes
// at any distance.
var (
	zlibRS    = &variant{symbols: 1<<14 - 1, hashBits: 15, insert: minMatch + 1, tooFar: windowSize, search: offsetMatch}
	zlibRSOld = &variant{symbols: 1<<14 - 1, hashBits: 15, insert: minMatch + 1, tooFar: windowSize, search: offsetMatchOld}
)

// offsetMatch is the search of zlib-rs since its fix #459.
func offsetMatch(w *window, candidate, longest int) (length, start int) {
	return (&offsetSearch{window: w, atEnd: w.ahead}).run(candidate, longest)
}

// offsetMatchOld is the search before that. It continues after a match that just reaches the
// end of the input, and may then prefer one that extends beyond it.
func offsetMatchOld(w *window, candidate, longest int) (length, start int) {
	return (&offsetSearch{window: w, atEnd: w.ahead + 1}).run(candidate, longest)
}

// An offsetSearch does not only follow the chain of the string at pos. A longer match also
// contains each string after pos, so the chain that goes back farthest has the fewest
// candidates. A candidate is then one for the string at pos + offset, and the match begins
// offset bytes before it.
type offsetSearch struct {
	*window
	atEnd int // a match of this length ends the search

	offset int
	limit  int // no match begins at or before this position
}

func (s *offsetSearch) run(candidate, longest int) (length, start int) {
	chain := maxChain
	if longest >= goodMatch {
		chain /= 4
	}
	s.limit = max(s.pos-maxDist, 0)
	start = s.matchStart
	if longest >= minMatch {
		candidate = s.farthestHead(candidate, longest)
		if candidate <= s.limit+s.offset {
			return min(longest, s.ahead), start
		}
	}
	buf := &s.buf
	head := load16(buf, s.pos)
	tail := load16(buf, s.pos+longest-1)
	for candidate < s.pos {
		at := candidate - s.offset
		if load16(buf, at+longest-1) == tail && load16(buf, at) == head {
			if n := matchLength(buf, at, s.pos); n > longest {
				start = at
				if n >= s.atEnd {
					return s.ahead, start
				}
				longest = n
				if n >= niceMatch {
					return n, start
				}
				tail = load16(buf, s.pos+n-1)
				if n > minMatch && start+n < s.pos {
					candidate = s.farthest(start, n)
					if candidate <= s.limit+s.offset {
						return min(longest, s.ahead), start
					}
					continue // this does not count as a step of the chain
				}
			}
		}
		chain--
		if chain == 0 {
			break
		}
		candidate = int(s.prev[candidate&windowMask])
		if candidate <= s.limit+s.offset {
			break
		}
	}
	return longest, start
}

// farthestHead chooses the chain before the first candidate is tried. The string at pos is
// inserted already and those after it are not, so their chains begin at the heads. longest
// bytes from pos on matched one byte earlier; farthestHead uses one more.
func (s *offsetSearch) farthestHead(candidate, longest int) int {
	for i := 1; i <= longest-minMatch+1; i++ {
		if latest := int(s.head[s.hash(s.pos+i)]); latest < candidate {
			candidate, s.offset = latest, i
		}
	}
	return candidate
}

// farthest chooses the chain after a match of n bytes at start: among those of the strings in
// the match and that of the string that ends one byte before it does at pos. (zlib-rs and
// zlib-ng say that this one ends a byte after it. It does not.)
func (s *offsetSearch) farthest(start, n int) int {
	candidate := start
	s.offset = 0
	for i := 0; i <= n-minMatch; i++ {
		if before := int(s.prev[(start+i)&windowMask]); before < candidate {
			candidate, s.offset = before, i
			if before <= s.limit+i {
				return candidate
			}
		}
	}
	i := n - minMatch - 1
	if latest := int(s.head[s.hash(s.pos+i)]); latest < candidate {
		candidate, s.offset = latest, i
	}
	return candidate
}
