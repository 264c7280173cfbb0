package bundle

import (
	"io"
	"iter"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

// A Sink is told of a large member before its bytes are decoded, and returns
// where they shall go; nil: nowhere. They are good only if that member is what
// [Reader.Contents] yields next: the walk may have met something else, or a
// damaged one. An error of the writer is its own, and ends nothing.
type Sink func(id crate.ID, size int64) io.Writer

// Verified is a member with its bytes, which were verified and hashed.
type Verified struct {
	Member
	Data []byte // nil for a large member, whose bytes went to the Sink; good until Release
	buf  *[]byte
}

// Release gives the memory of Data back for another member. Whoever does not
// call it costs time, not correctness.
func (v *Verified) Release() {
	if v.buf != nil {
		buffers.Put(v.buf)
		v.Data, v.buf = nil, nil
	}
}

// Contents is Members, with the bytes: one pass decodes and hashes, and hands out
// what it has decoded. Members of up to about 1 MiB come whole; larger ones go to
// large, piece by piece.
func (r *Reader) Contents(large Sink) iter.Seq2[Verified, error] {
	return func(yield func(Verified, error) bool) {
		p := pass{walker: newWalker(r.r, r.size)}
		p.large = large
		p.run(r, func(s *step, err error) bool {
			if err != nil {
				return yield(Verified{}, err)
			}
			v := Verified{Member: s.member}
			if s.small() {
				content := p.content
				v.Data, v.buf = s.data, &content
				p.content = *buffers.Get().(*[]byte)
			}
			return yield(v, nil)
		})
	}
}
