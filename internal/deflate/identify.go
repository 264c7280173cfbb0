package deflate

import (
	"bytes"
	"context"
	"errors"
)

// newestFirst is the order in which Identify tries encoders: most crates are recent.
var newestFirst = []Encoder{ZlibRS, Zlib9Mem8, ZlibRSOld, Zlib9Mem9, Miniz9}

// Identify finds the encoder that makes stream of src and reports whether there is one. It
// tries the given encoders in their order, or else all, newest first; it skips those that this
// program does not have. A wrong one costs little, since it is stopped at the first byte that
// differs, usually in the first block. Errors: that of ctx; a src longer than [MaxInput].
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

// A comparer is a writer that accepts rest and nothing else.
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
