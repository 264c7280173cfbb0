package deflate

import (
	"encoding/binary"
	"io"
)

// pieceSize is how much is handed to the writer at once, at most.
const pieceSize = 64 << 10

// A bitWriter collects bits, lowest first. After the first error it swallows what
// it is given; flush returns that error.
type bitWriter struct {
	w    io.Writer
	err  error
	held uint64 // bits that are not in buf yet: fewer than 8
	n    uint   // how many
	used int    // of buf
	buf  [pieceSize]byte
}

func (b *bitWriter) reset(w io.Writer) { b.w, b.err, b.held, b.n, b.used = w, nil, 0, 0, 0 }

// bits adds the n lowest bits of v, at most 56; the others must be zero.
func (b *bitWriter) bits(v uint64, n uint) {
	if b.used > len(b.buf)-8 {
		_ = b.flush() // and flush returns its error again
	}
	b.held |= v << b.n
	b.n += n
	binary.LittleEndian.PutUint64(b.buf[b.used:], b.held)
	b.used += int(b.n >> 3)
	b.held >>= b.n &^ 7
	b.n &= 7
}

// align fills the last byte with zeros.
func (b *bitWriter) align() { b.bits(0, -b.n&7) }

// bytes adds whole bytes behind an align.
func (b *bitWriter) bytes(p []byte) {
	for len(p) > 0 {
		n := copy(b.buf[b.used:], p)
		p, b.used = p[n:], b.used+n
		if b.used == len(b.buf) {
			_ = b.flush()
		}
	}
}

// flush hands all whole bytes to the writer.
func (b *bitWriter) flush() error {
	if b.err == nil && b.used > 0 {
		_, b.err = b.w.Write(b.buf[:b.used])
	}
	b.used = 0
	return b.err
}
