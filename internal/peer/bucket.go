package peer

import (
	"context"
	"io/fs"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/root"
)

// Bucket is a mirror in a bucket, as far as a replica has copied it.
type Bucket struct {
	bucket.Reader
	Taken func() *root.Root // nil: nothing yet
}

var _ Source = Bucket{}

// Root implements Source.
func (b Bucket) Root(context.Context) (*root.Root, error) {
	if now := b.Taken(); now != nil {
		return now, nil
	}
	return nil, fs.ErrNotExist
}
