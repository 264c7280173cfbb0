package store

import (
	"context"
	"crypto/sha256"
	"io"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

// Hash hashes what is stored at a place, copies it to also, which may be
// io.Discard, and returns its checksum and size. It compares nothing. Errors: those
// of Reader.Open, and of reading; the context's cause.
func Hash(ctx context.Context, from Reader, key crate.Key, at Placement, also io.Writer) (sum crate.Checksum, size int64, err error) {
	c, err := from.Open(ctx, key, at)
	if err != nil {
		return sum, 0, err
	}
	defer c.Close()
	h := sha256.New()
	if size, err = io.Copy(io.MultiWriter(h, also), readerUntil{ctx, c}); err != nil {
		return sum, 0, err
	}
	h.Sum(sum[:0])
	return sum, size, nil
}

// readerUntil ends a long copy when its context does.
type readerUntil struct {
	ctx context.Context // of one copy
	r   io.Reader
}

func (r readerUntil) Read(p []byte) (int, error) {
	if r.ctx.Err() != nil {
		return 0, context.Cause(r.ctx)
	}
	return r.r.Read(p)
}
