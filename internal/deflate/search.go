// Finds what longest_match of zlib 1.3.2 (deflate.c) finds, Copyright (C) 1995-2026 Jean-loup
// Gailly and Mark Adler, in the way of longest_match_slow of zlib-ng 2.3.3 (match_tpl.h),
// Copyright (C) 1995-2024 Jean-loup Gailly and Mark Adler. Altered from both; under the zlib
// licence: see THIRD_PARTY.md.

package deflate

// A matchSearch goes back through all candidates for a match longer than longest. zlib follows
// the chain of the string at pos. Here, as in zlib-ng, the search may follow the chain of any
// string in the match: that of the rarest has the fewest candidates. at is a position in the
// chain of the string at pos+offset; the match begins offset bytes before it.
//
// zlib gives up after some candidates. The rank of a match, the number of candidates before it
// in zlib's chain, tells whether zlib would have reached it.
type matchSearch struct {
	*window
	longest, start int
	at, offset     int
	limit          int // no match begins at or before this position

	// A string after pos is in no chain yet, so its chain lacks matches that are nearer than
	// its offset. The search first takes these from the chain of pos; then it continues at
	// laterAt with laterOffset, unless that is 0.
	laterAt, laterOffset int

	first uint16 // rank of the first candidate
	most  int    // candidates that zlib tries
	plain bool   // follow the chain of pos, as zlib does
}

func (s *matchSearch) run() {
	// zlib lets only the first candidate be maxDist away.
	s.limit = min(max(s.pos-maxDist, 0), s.at-1)
	s.first = s.rank[s.at&windowMask]
	s.most = maxChain
	if s.longest >= goodMatch {
		s.most /= 4
	}
	s.chooseHead()
	nice := min(niceMatch, s.ahead)
	buf := &s.buf
	head := load16(buf, s.pos)
	tail := load16(buf, s.pos+s.longest-1) // the last two bytes of a longer match
	best := s.at
	for steps := 0; ; {
		from := s.at - s.offset
		if from <= s.limit || s.plain && s.tooLate(from) {
			return
		}
		if s.laterOffset > 0 && from <= s.pos-s.laterOffset {
			s.at, s.offset, s.laterOffset = s.laterAt, s.laterOffset, 0
			continue
		}
		if load16(buf, from+s.longest-1) == tail && load16(buf, from) == head {
			if n := matchLength(buf, from, s.pos); n > s.longest {
				if s.tooLate(from) {
					return
				}
				s.longest, s.start, best = n, from, from
				if n >= nice {
					return
				}
				tail = load16(buf, s.pos+n-1)
				if !s.plain {
					s.choose()
					continue
				}
			}
		}
		s.at = int(s.prev[s.at&windowMask])
		if steps++; steps == s.most {
			// There were many candidates. zlib may have given up long ago: do as it does.
			s.at, s.offset, s.laterOffset, s.plain = best, 0, 0, true
		}
	}
}

// tooLate reports whether zlib gave up before it came to this candidate of its chain.
func (s *matchSearch) tooLate(candidate int) bool {
	return int(s.first-s.rank[candidate&windowMask]) >= s.most
}

// chooseHead chooses the first chain: the one whose head is farthest back.
func (s *matchSearch) chooseHead() {
	farthest := s.at
	for i := 1; i <= s.longest-minMatch+1; i++ {
		if at := int(s.head[s.hash(s.pos+i)]); at-i < farthest {
			farthest, s.laterAt, s.laterOffset = at-i, at, i
		}
	}
}

// choose chooses the next chain, after the match at start: among those of the strings in the
// match and that of the string that ends with the first byte that differs.
func (s *matchSearch) choose() {
	s.laterOffset = 0
	farthest := s.start
	last := min(s.longest-minMatch, s.pos-s.start) // a string after pos is in no chain yet
	for i := 0; i <= last; i++ {
		at := int(s.prev[(s.start+i)&windowMask])
		if at-i < farthest {
			farthest, s.at, s.offset = at-i, at, i
			if farthest <= s.limit {
				return
			}
		}
	}
	if i := s.longest - minMatch + 1; s.start+i <= s.pos {
		if at := int(s.head[s.hash(s.pos+i)]); at-i < farthest {
			s.at, s.offset = at, i
		}
	}
}
