package inspect

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/deep"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/extract"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/repack"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/verdict"
)

// FromBundle extracts one crate from a bundle, and records in by what named its checksum. ix
// may be nil. Errors: *extract.AmbiguousError; *verdict.IntegrityError.
func FromBundle(ctx context.Context, folder durable.Reader, name string, key crate.Key, ix *index.Index, by *extract.Authority) Taker {
	return func(w io.Writer) (err error) {
		*by, err = extract.One(ctx, folder, name, key, ix, w)
		if errors.As(err, new(*extract.Problem)) {
			err = verdict.Integrityf("%s", err.Error())
		}
		return err
	}
}

// FromSegment rebuilds one crate from a segment. Errors: fs.ErrNotExist;
// *verdict.IntegrityError.
func FromSegment(ctx context.Context, folder durable.Reader, name string, key crate.Key) Taker {
	return func(w io.Writer) error {
		seg, err := repack.OpenSegment(folder, name)
		if err != nil {
			return err
		}
		defer seg.Close()
		data, err := seg.Find(ctx, key)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return fmt.Errorf("%q has no %s: %w", name, key.ID, err)
		case deep.IsDamage(err):
			return verdict.Integrityf("%s", err.Error())
		case err != nil:
			return err
		}
		_, err = w.Write(data)
		return err
	}
}
