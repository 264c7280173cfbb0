package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/extract"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/verdict"
)

// inspectOne takes one crate out of a bundle. Its bytes are held back in a
// file until they are known to be good.
func (a *App) inspectOne(ctx context.Context, cfg *inspectConfig, folder durable.Reader, name string, key crate.Key) error {
	ix, closeIndex, err := openIndex(ctx, cfg.indexDir, cfg.log.logger(a.Stderr))
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
			err = usagef("%w: give -sha256, or -index-dir to take those that the index names", err)
		}
		return err
	}
	if cfg.out != "" {
		err = a.takeToFile(cfg.out, take)
	} else {
		err = takeToStream(a.Stdout, take)
	}
	if err == nil && by == extract.ByItself {
		fmt.Fprintf(a.Stderr, "nobody but the bundle vouches for %s: -index-dir would prove it\n", key.ID)
	}
	return err
}

// takeToFile makes the file out of what take writes, in one step.
func (a *App) takeToFile(out string, take func(io.Writer) error) error {
	folder, err := durable.Open(filepath.Dir(out))
	if err != nil {
		return err
	}
	to := a.Disk(folder)
	defer to.Close()
	return durable.FillNew(to, filepath.Base(out), take)
}

// takeToStream copies what take writes to w, if that succeeds.
func takeToStream(w io.Writer, take func(io.Writer) error) error {
	f, err := os.CreateTemp("", "clonecratesio-inspect-")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	if err := take(f); err != nil {
		return err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	_, err = io.Copy(w, f)
	return err
}
