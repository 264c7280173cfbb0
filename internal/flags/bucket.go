package flags

import (
	"context"
	"log/slog"

	"github.com/urfave/cli/v3"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket/address"
)

// Bucket is the flag that names the bucket of a mirror.
type Bucket struct{ Address string }

// Flag is -store.
func (b *Bucket) Flag(what string) cli.Flag {
	return &cli.StringFlag{Name: "store", Usage: what + " the mirror in the bucket at `URL`: s3://BUCKET/PREFIX?endpoint=https://HOST&region=REGION, or file:///FOLDER. Credentials are AWS's usual variables", Destination: &b.Address}
}

// Named reports whether there is a bucket.
func (b *Bucket) Named() bool { return b.Address != "" }

// OpenToRead opens the bucket for those who put nothing into it.
func (b *Bucket) OpenToRead(ctx context.Context, log *slog.Logger) (bucket.Reader, error) {
	return address.Open(ctx, b.Address, address.Options{ReadOnly: true, Log: log})
}
