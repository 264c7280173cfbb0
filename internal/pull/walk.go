package pull

import (
	"context"
	"errors"
	"io/fs"
	"path"
	"strings"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

// walk calls fn for each file below a folder, in each folder ordered by name. It skips
// files that are not ours.
func (f *folder) walk(ctx context.Context, dir string, fn func(name string, info fs.FileInfo) error) error {
	entries, err := f.fsys.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		name := path.Join(dir, e.Name())
		if e.IsDir() {
			err = f.walk(ctx, name, fn)
		} else if info, errInfo := e.Info(); errInfo == nil && info.Mode().IsRegular() {
			err = fn(name, info)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// walkCrates calls fn for each crate file.
func (f *folder) walkCrates(ctx context.Context, fn func(id crate.ID, info fs.FileInfo) error) error {
	return f.walk(ctx, cratesDir, func(name string, info fs.FileInfo) error {
		id, err := crate.ParseLoosePath(strings.TrimPrefix(name, cratesDir+"/"))
		if err != nil {
			return nil
		}
		return fn(id, info)
	})
}
