package deflate

import (
	"bytes"
	"context"
	"errors"
)

// newestFirst is the order in which Identify tries: what is published now is most.
var newestFirst = []Encoder{ZlibRS, Zlib9Mem8, ZlibRSOld, Zlib9Mem9, Miniz9}

// Identify finds the encoder that makes stream of src and says whether one does. It
// tries those given, in their order, or else all, newest first; those that this
// program does not have are passed over. A wrong one costs little: it is stopped
// at the first byte that differs, most often in the first block. The error is that
// of ctx, which ends it, or tells that src is too long.
func Identify(ctx context.Context, src, stream []byte, try ...Encoder) (Encoder, bool, error) {
	if len(try) == 0 {
		try = newestFirst
	}
	for _, e := range try {
		if !e.Known() {
			continue
		}
		w := &comparer{ctx: ctx, rest: stream}
		err := Encode(w, e, src)
		if err != nil && !errors.Is(err, errDiffers) {
			return 0, false, err
		}
		if err == nil && len(w.rest) == 0 {
			return e, true, nil
		}
	}
	return 0, false, nil
}

var errDiffers = errors.New("another stream")

// A comparer is a writer that wants to be given rest and nothing else.
type comparer struct {
	ctx  context.Context
	rest []byte
}

func (c *comparer) Write(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	rest, same := bytes.CutPrefix(c.rest, p)
	if !same {
		return 0, errDiffers
	}
	c.rest = rest
	return len(p), nil
}
