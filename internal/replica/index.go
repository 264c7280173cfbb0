package replica

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/git"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/carry"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/clone"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/root"
)

// FetchIndex downloads the part of a chain that the index in a folder lacks, and returns it
// in the order in which to apply it.
func (in *Incoming) FetchIndex(ctx context.Context, dir string, x *root.Index) (links []root.File, err error) {
	links, err = missing(ctx, dir, x)
	for i := range links {
		if err := in.Fetch(ctx, root.IndexDir, &links[i]); err != nil {
			return nil, err
		}
	}
	return links, err
}

// missing returns the links of a chain after the last one whose commit is here. The chain
// may have been begun again since.
func missing(ctx context.Context, dir string, x *root.Index) ([]root.File, error) {
	if _, err := os.Stat(filepath.Join(dir, "HEAD")); errors.Is(err, fs.ErrNotExist) {
		return x.Chain, nil
	}
	repo := &git.Repository{Dir: dir}
	head, err := repo.Head(ctx)
	if errors.Is(err, git.ErrUnborn) {
		return x.Chain, nil
	}
	if err != nil {
		return nil, err
	}
	if head.Commit == x.Commit {
		return nil, nil
	}
	for i := len(x.Chain) - 1; i >= 0; i-- {
		_, err := repo.Revision(ctx, root.IndexCommit(x.Chain[i].Name)+"^{commit}")
		switch {
		case errors.Is(err, git.ErrUnborn):
		case err != nil:
			return nil, err
		default:
			return x.Chain[min(i+1, len(x.Chain)-1):], nil // the last one moves HEAD
		}
	}
	return x.Chain, nil
}

// MoveIndex applies downloaded links.
func (in *Incoming) MoveIndex(ctx context.Context, dir string, links []root.File) error {
	for i := range links {
		if err := in.apply(ctx, dir, &links[i]); err != nil {
			return err
		}
	}
	return nil
}

func (in *Incoming) apply(ctx context.Context, dir string, link *root.File) error {
	f, err := in.Open(link)
	if err != nil {
		return err
	}
	defer f.Close()
	// The writer, who was asked, has decided how much an index may shrink.
	_, err = carry.Apply(ctx, clone.Config{Dir: dir, AcceptShrink: true, Log: in.Log}, f, root.IndexCommit(link.Name))
	return err
}
