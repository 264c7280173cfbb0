package pull

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/sparse"
)

// Own is the mirror's own index, which a sync keeps up to date: versions that it names and
// the mirror does not hold can be pulled without a sparse index.
type Own struct {
	Mirror interface {
		// Named returns the versions of a crate that the index names, held or not. Errors:
		// fs.ErrNotExist.
		Named(ctx context.Context, name string) (*index.Crate, error)
		Generation() uint64
	}
}

// Generation grows when the results of Get may have changed.
func (o *Own) Generation() uint64 { return o.Mirror.Generation() }

// Get implements Index.
func (o *Own) Get(ctx context.Context, name string, have sparse.Validator) (sparse.File, error) {
	c, err := o.Mirror.Named(ctx, name)
	if err != nil {
		return sparse.File{}, err
	}
	var body bytes.Buffer
	for i := range c.Entries {
		body.Write(c.Entries[i].Raw)
		body.WriteByte('\n')
	}
	sum := sha256.Sum256(body.Bytes())
	is := sparse.Validator{ETag: hex.EncodeToString(sum[:])}
	if is == have {
		return sparse.File{Validator: is, NotModified: true}, nil
	}
	return sparse.File{Body: body.Bytes(), Validator: is}, nil
}
