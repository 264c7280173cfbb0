package replica

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math"
	"path"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket/download"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle/lists"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/root"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

// Incoming is a folder for downloaded objects that a root names, to be checked before use.
type Incoming struct {
	From bucket.Reader
	To   durable.FS
	Dir  string // in To; must exist
	Log  *slog.Logger
}

// Open opens a downloaded object.
func (in *Incoming) Open(f *root.File) (durable.File, error) {
	return in.To.Open(path.Join(in.Dir, f.Name))
}

// Fetch downloads an object of a folder of the bucket, unless it is here already. Errors:
// *download.WrongError, and those of download.File.
func (in *Incoming) Fetch(ctx context.Context, dir string, f *root.File) error {
	name := path.Join(in.Dir, f.Name)
	there, err := in.To.Open(name)
	if err == nil {
		sum, size, err := crate.Hash(there)
		if err = errors.Join(err, there.Close()); err == nil && size == f.Size && sum == f.SHA256 {
			return nil
		}
		if err := in.To.Remove(name); err != nil {
			return err
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return download.File(ctx, in.From, root.Key(dir, f.Name), download.Want{Size: f.Size, Checksum: f.SHA256}, in.To, name)
}

// ReadList reads the downloaded list of a bundle. It stops at a line that is invalid, or that names
// what cannot be in the bundle.
func (in *Incoming) ReadList(ctx context.Context, of, list *root.File, each func(*lists.ManifestEntry) error) error {
	f, err := in.Open(list)
	if err != nil {
		return err
	}
	defer f.Close()
	name, err := bundle.ParseFileName(of.Name)
	if err != nil {
		return err
	}
	for e, err := range lists.ReadManifest(store.Until(ctx, f)) {
		switch {
		case err != nil:
			return err
		case e.Bundle != name:
			return fmt.Errorf("%s is said to be in %s", e.ID, e.Bundle)
		case e.FrameSize <= 0 || e.Offset > math.MaxInt64-e.FrameSize || e.Offset+e.FrameSize > of.Size:
			return fmt.Errorf("%s is said to be at offset %d with %d bytes, the bundle has %d", e.ID, e.Offset, e.FrameSize, of.Size)
		}
		if err := each(&e); err != nil {
			return err
		}
	}
	return nil
}

// Tidy empties the folder once its content was used.
func (in *Incoming) Tidy() error {
	entries, err := in.To.ReadDir(in.Dir)
	for _, e := range entries {
		err = errors.Join(err, in.To.Remove(path.Join(in.Dir, e.Name())))
	}
	return err
}
