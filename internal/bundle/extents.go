package bundle

import (
	"bytes"
	"encoding/binary"
	"io"
	"slices"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/extent"
)

// A frame contains incompressible bytes verbatim: in stored blocks, and in the literals of
// blocks in which the encoder saved something, such as the tar header. Crates do not
// compress, so nearly all bytes of a member are in the file in a few long pieces, which can
// be sent without decoding.
const (
	// leastPiece is the smallest piece, in bytes, that is worth a system call.
	leastPiece = 2 << 10
	// mostBeside bounds the bytes of a member outside of such pieces: they are kept in
	// memory.
	mostBeside = 4 << 10
	// mostPieces bounds the blocks of a member, of about 64 KiB each.
	mostPieces = 1 << 10
	// probe is how many bytes of a member are searched for among literals, and nearby how
	// far.
	probe, nearby = 16, 4 << 10
)

// Extents returns where in the bundle the bytes of c are, which OpenMember opened at p. It
// compares every piece with c. It returns nil if they are not there in long pieces, for any
// reason.
func (r *Reader) Extents(p Placement, c *Content) []extent.Extent {
	frame := io.NewSectionReader(r.r, p.Offset, p.FrameSize)
	var head [maxFrameHeader]byte
	if _, err := frame.ReadAt(head[:], 0); err != nil {
		return nil
	}
	content, size, err := parseFrameHeader(head[:])
	if err != nil {
		return nil
	}
	header := appendHeader(nil, c.id, c.size)
	if contentSize(len(header), c.size) != content {
		return nil
	}
	l := layout{c: c, offset: p.Offset + int64(size), pos: -int64(len(header))}
	if _, err := frame.Seek(int64(size), io.SeekStart); err != nil || !l.blocks(frame, content) {
		return nil
	}
	if !slices.ContainsFunc(l.all, func(e extent.Extent) bool { return e.Data == nil }) {
		return nil
	}
	return l.all
}

// layout searches for the bytes of a member in its frame.
type layout struct {
	c      *Content
	offset int64 // in the bundle, of the next byte to read
	pos    int64 // in the crate, of the first byte of the block; negative in the tar header
	all    []extent.Extent
	beside int64
}

// blocks walks the blocks of a frame.
func (l *layout) blocks(frame io.Reader, left int64) bool {
	block, want := make([]byte, maxBlock), make([]byte, ourBlock)
	for {
		var head [4]byte
		if _, err := io.ReadFull(frame, head[:3]); err != nil {
			return false
		}
		h := binary.LittleEndian.Uint32(head[:])
		last, kind, size := h&1 != 0, h>>1&3, int64(h>>3)
		stored := size
		if kind == 1 { // one byte, repeated
			stored = 1
		}
		if stored > maxBlock {
			return false
		}
		if _, err := io.ReadFull(frame, block[:stored]); err != nil {
			return false
		}
		n := min(left, ourBlock)
		from, to := max(l.pos, 0), min(l.pos+n, l.c.size)
		some := want[:max(0, to-from)]
		if _, err := l.c.ReadAt(some, from); err != nil && err != io.EOF {
			return false
		}
		l.offset += 3
		if !l.block(kind, block[:stored], some) || len(l.all) > mostPieces {
			return false
		}
		l.offset, l.pos, left = l.offset+stored, l.pos+n, left-n
		if last {
			return left == 0
		}
	}
}

// block finds the bytes of a block that are the crate's, and skips header and padding.
func (l *layout) block(kind uint32, block, want []byte) bool {
	switch kind {
	case 0:
		return l.align(block, 0, want)
	case 2:
		lits, at, ok := literals(block)
		return ok && l.align(lits, at, want)
	}
	return l.besides(want)
}

// literals returns the literals of a compressed block and their offset, if they are
// uncompressed (RFC 8878, 3.1.1.3.1.1).
func literals(block []byte) (lits []byte, at int, ok bool) {
	if len(block) < 3 || block[0]&3 != 0 {
		return nil, 0, false
	}
	var size int
	switch block[0] >> 2 & 3 {
	case 1:
		at, size = 2, int(binary.LittleEndian.Uint16(block)>>4)
	case 3:
		at, size = 3, int(uint32(block[0])>>4|uint32(block[1])<<4|uint32(block[2])<<12)
	default:
		at, size = 1, int(block[0]>>3)
	}
	if size > len(block)-at {
		return nil, 0, false
	}
	return block[at:][:size], at, true
}

// align finds want in text, which begins at an offset of the block: long pieces in the same
// order, with bytes between them that only one of the two has.
func (l *layout) align(text []byte, at int, want []byte) bool {
	pos := 0 // in text
	for len(want) > 0 {
		n := common(want, text[pos:])
		if n < probe {
			skip, next := resume(want, text[pos:])
			if !l.besides(want[:skip]) {
				return false
			}
			want, pos = want[skip:], pos+next
			continue
		}
		if !l.piece(l.offset+int64(at+pos), want[:n]) {
			return false
		}
		want, pos = want[n:], pos+n
	}
	return true
}

// common returns the length of the common prefix.
func common(a, b []byte) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}

// resume finds the first place in want at which text continues with the same bytes, within
// some KiB of both, and the matching place in text. If there is none, it returns the end of
// want.
func resume(want, text []byte) (skip, next int) {
	text = text[:min(len(text), nearby)]
	for skip := 0; skip+probe <= len(want) && skip <= mostBeside; skip++ {
		if next := bytes.Index(text, want[skip:skip+probe]); next >= 0 {
			return skip, next
		}
	}
	return len(want), 0
}

// piece adds bytes that are in the file.
func (l *layout) piece(off int64, data []byte) bool {
	if len(data) < leastPiece {
		return l.besides(data)
	}
	l.all = append(l.all, extent.Extent{Off: off, N: int64(len(data))})
	return true
}

// besides adds bytes that are not.
func (l *layout) besides(data []byte) bool {
	if l.beside += int64(len(data)); l.beside > mostBeside {
		return false
	}
	if last := len(l.all) - 1; last >= 0 && l.all[last].Data != nil {
		l.all[last].Data = append(l.all[last].Data, data...)
		l.all[last].N = int64(len(l.all[last].Data))
	} else if len(data) > 0 {
		l.all = append(l.all, extent.Extent{N: int64(len(data)), Data: bytes.Clone(data)})
	}
	return true
}
