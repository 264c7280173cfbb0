package cli

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/extract"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/flags"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/verdict"
)

// inspectOne takes one crate out of a bundle. Its bytes are held back in a
// file until they are known to be good.
func (a *App) inspectOne(ctx context.Context, cfg *inspectConfig, folder durable.Reader, name string, key crate.Key) error {
	ix, closeIndex, err := openIndex(ctx, cfg.indexDir, cfg.log.Logger(a.Stderr))
	if err != nil {
		return err
	}
	defer closeIndex()
	var by extract.Authority
	take := func(w io.Writer) error {
		by, err = extract.One(ctx, folder, name, key, ix, w)
		if errors.As(err, new(*extract.Problem)) {
			err = verdict.Integrityf("%s", err.Error())
		}
		if errors.As(err, new(*extract.AmbiguousError)) {
			err = flags.Usagef("%w: give -sha256, or -index-dir to take those that the index names", err)
		}
		return err
	}
	if cfg.out != "" {
		err = extract.ToNewFile(cfg.out, a.Disk, take)
	} else {
		err = extract.ToStream(a.Stdout, take)
	}
	if err == nil && by == extract.ByItself {
		fmt.Fprintf(a.Stderr, "nobody but the bundle vouches for %s: -index-dir would prove it\n", key.ID)
	}
	return err
}
