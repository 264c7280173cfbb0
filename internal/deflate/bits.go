package deflate

import (
	"encoding/binary"
	"io"
)

// pieceSize bounds the bytes of one write, which keeps the buffer small.
const pieceSize = 64 << 10

// A bitWriter collects bits, lowest first, and writes them in pieces. After the first error it
// discards its input; flush returns that error.
type bitWriter struct {
	w    io.Writer
	err  error
	held uint64 // bits not yet in buf: fewer than 8
	n    uint   // number of bits in held
	used int    // bytes in buf
	buf  [pieceSize]byte
}

func (b *bitWriter) reset(w io.Writer) { b.w, b.err, b.held, b.n, b.used = w, nil, 0, 0, 0 }

// bits writes the n lowest bits of v, at most 56. The others must be zero.
func (b *bitWriter) bits(v uint64, n uint) {
	if b.used > len(b.buf)-8 {
		_ = b.flush() // the last flush returns the error again
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

// bytes writes whole bytes. It must follow an align.
func (b *bitWriter) bytes(p []byte) {
	for len(p) > 0 {
		n := copy(b.buf[b.used:], p)
		p, b.used = p[n:], b.used+n
		if b.used == len(b.buf) {
			_ = b.flush()
		}
	}
}

// flush passes all whole bytes to the writer.
func (b *bitWriter) flush() error {
	if b.err == nil && b.used > 0 {
		_, b.err = b.w.Write(b.buf[:b.used])
	}
	b.used = 0
	return b.err
}
