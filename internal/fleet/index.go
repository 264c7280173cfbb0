package fleet

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket/download"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/carry"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/clone"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/root"
)

// OpenIndex copies the index that the root names from the bucket to a folder below scratch,
// and opens it. The function that it returns removes the folder.
func OpenIndex(ctx context.Context, in bucket.Reader, r *root.Root, scratch string, log *slog.Logger) (_ *index.Index, close func() error, err error) {
	if r.Index.Commit == "" {
		return nil, nil, errors.New("the root names no index: no writer has finished a round yet")
	}
	dir, err := os.MkdirTemp(scratch, "index-")
	if err != nil {
		return nil, nil, err
	}
	remove := func() error { return os.RemoveAll(dir) }
	ix, err := bring(ctx, in, r, dir, log)
	if err != nil {
		return nil, nil, errors.Join(err, remove())
	}
	return ix, func() error { return errors.Join(ix.Close(), remove()) }, nil
}

func bring(ctx context.Context, in bucket.Reader, r *root.Root, dir string, log *slog.Logger) (_ *index.Index, err error) {
	folder, err := durable.Open(dir)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, folder.Close()) }()
	to := filepath.Join(dir, "index")
	for i := range r.Index.Chain {
		link := &r.Index.Chain[i]
		if err := apply(ctx, in, folder, link, to, log); err != nil {
			return nil, fmt.Errorf("updating the index to %s: %w", link.Name, err)
		}
	}
	return index.Open(ctx, to, index.Options{Log: log})
}

func apply(ctx context.Context, in bucket.Reader, folder durable.FS, link *root.File, to string, log *slog.Logger) error {
	want := download.Want{Size: link.Size, Checksum: link.SHA256}
	if err := download.File(ctx, in, root.Key(root.IndexDir, link.Name), want, folder, link.Name); err != nil {
		return err
	}
	f, err := folder.Open(link.Name)
	if err != nil {
		return err
	}
	// The writer has already checked how much the index shrank.
	_, err = carry.Apply(ctx, clone.Config{Dir: to, AcceptShrink: true, Log: log}, f, root.IndexCommit(link.Name))
	return errors.Join(err, f.Close(), folder.Remove(link.Name))
}
