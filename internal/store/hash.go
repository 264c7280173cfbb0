package store

import (
	"context"
	"io"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

// Hash hashes what is stored at a place, copies it to also, which may be io.Discard, and
// returns its checksum and size. It does not compare them. Errors: those of Reader.Open,
// and of reading; the cause of ctx.
func Hash(ctx context.Context, from Reader, key crate.Key, at Placement, also io.Writer) (sum crate.Checksum, size int64, err error) {
	c, err := from.Open(ctx, key, at)
	if err != nil {
		return sum, 0, err
	}
	defer c.Close()
	return crate.Hash(io.TeeReader(Until(ctx, c), also))
}

// Until returns a reader that fails with the cause of ctx once ctx has ended, to end a long
// copy.
func Until(ctx context.Context, r io.Reader) io.Reader { return readerUntil{ctx, r} }

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
