package bundled

import (
	"encoding/binary"
	"iter"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle"
)

// memberList is the members of an unfinished bundle, in order. There may be maxMembers, so
// they are stored as bytes, some 60 each, in pieces: a slice of bundle.Member would be
// twice as large, be copied as it grows, and have a million pointers for the garbage
// collector.
type memberList struct {
	n      int
	pieces [][]byte
}

const (
	pieceSize = 64 << 10
	// mostNumbers is the maximum number of bytes of a member besides its name and version.
	mostNumbers = len(bundle.Member{}.Checksum) + 5*binary.MaxVarintLen64
)

func (l *memberList) add(m bundle.Member) {
	most := len(m.ID.Name) + len(m.ID.Version) + mostNumbers
	last := len(l.pieces) - 1
	if last < 0 || cap(l.pieces[last])-len(l.pieces[last]) < most {
		l.pieces = append(l.pieces, make([]byte, 0, max(pieceSize, most)))
		last++
	}
	b := l.pieces[last]
	for _, s := range []string{m.ID.Name, m.ID.Version} {
		b = append(binary.AppendUvarint(b, uint64(len(s))), s...)
	}
	for _, n := range []int64{m.Size, m.Offset, m.FrameSize} {
		b = binary.AppendUvarint(b, uint64(n))
	}
	l.pieces[last] = append(b, m.Checksum[:]...)
	l.n++
}

// all yields the members.
func (l *memberList) all() iter.Seq[bundle.Member] {
	return func(yield func(bundle.Member) bool) {
		for _, b := range l.pieces {
			for len(b) > 0 {
				var m bundle.Member
				for _, s := range []*string{&m.ID.Name, &m.ID.Version} {
					size, n := binary.Uvarint(b)
					*s = string(b[n : n+int(size)])
					b = b[n+int(size):]
				}
				for _, number := range []*int64{&m.Size, &m.Offset, &m.FrameSize} {
					value, n := binary.Uvarint(b)
					*number, b = int64(value), b[n:]
				}
				b = b[copy(m.Checksum[:], b):]
				if !yield(m) {
					return
				}
			}
		}
	}
}
