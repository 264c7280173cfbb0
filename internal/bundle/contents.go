package bundle

import (
	"io"
	"iter"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

// A Sink is told of a large member before its bytes are decoded, and returns
// where they shall go; nil: nowhere. It is called by many goroutines at a time,
// also for members that are never yielded.
type Sink func(id crate.ID, size int64) Keeper

// A Keeper takes the bytes of one large member. They are good once it comes with
// the member; until then Drop may end it. An error of Write is its own, and ends
// nothing: no more is written then.
type Keeper interface {
	io.Writer
	Drop()
}

// Verified is a member with its bytes, which were verified and hashed.
type Verified struct {
	Member
	Data   []byte // nil for a large member; good until Release
	Keeper Keeper // what the Sink returned for a large member; nil otherwise
	memory *[]byte
}

// Release gives the memory of Data back for another member. Whoever does not
// call it costs time, not correctness.
func (v *Verified) Release() {
	if v.memory != nil {
		buffers.Put(v.memory)
		v.Data, v.memory = nil, nil
	}
}

// Contents is Members, with the bytes: one pass decodes and hashes, and hands out
// what it has decoded. Members of up to about 1 MiB come whole; larger ones go to
// large, piece by piece.
func (r *Reader) Contents(large Sink) iter.Seq2[Verified, error] {
	return func(yield func(Verified, error) bool) {
		r.pass(large, func(s *step, err error) bool {
			if err != nil {
				return yield(Verified{}, err)
			}
			return yield(Verified{s.member, s.data, s.keeper, s.memory}, nil)
		})
	}
}
