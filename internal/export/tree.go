package export

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os/exec"
	"path/filepath"
	"slices"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
)

// ErrForeign says that a folder, or a bucket, is not empty and not an export.
var ErrForeign = errors.New("it is not empty, and no export made it")

// A Tree is the folder of a tree with its lock.
type Tree struct {
	Folder durable.FS
	dir    string
	lock   *durable.Lockfile
}

// OpenTree opens the folder of a tree, which open creates if absent, and takes its lock.
// Errors: ErrForeign; *durable.HeldError.
func OpenTree(dir string, open func(dir string) (durable.FS, error), owner durable.Owner) (*Tree, error) {
	out, err := open(dir)
	if err != nil {
		return nil, err
	}
	if err = Prepare(out); err != nil {
		return nil, errors.Join(err, out.Close())
	}
	lock, err := durable.Lock(filepath.Join(dir, StateDir, "lock"), owner)
	if err != nil {
		return nil, errors.Join(err, out.Close())
	}
	return &Tree{Folder: out, dir: dir, lock: lock}, nil
}

// Close closes the folder and releases the lock.
func (t *Tree) Close() error { return errors.Join(t.Folder.Close(), t.lock.Release()) }

// PublishGit updates index.git from index. A missing git is a warning, unless cargo needs
// the repository (Address.ByFile).
func (t *Tree) PublishGit(ctx context.Context, layout Layout, address Address, log *slog.Logger) error {
	if layout.gitDir() == "" {
		return nil
	}
	repo := filepath.Join(t.dir, filepath.FromSlash(layout.gitDir()))
	changed, err := publishGit(ctx, repo, filepath.Join(t.dir, layout.indexDir()), t.lock)
	switch {
	case errors.Is(err, exec.ErrNotFound) && !address.ByFile() && layout == Static:
		log.Warn("index.git was not updated, so cargo before 1.68 cannot use the export as it is: install git, or give -git-index=false", "err", err)
		return nil
	case err == nil && changed:
		log.Info("committed the index for git", "repository", repo)
	}
	return err
}

// Prepare checks that a folder is empty or a tree of ours, and creates the folder of its
// lock.
func Prepare(out durable.FS) error {
	entries, err := out.ReadDir(".")
	if err != nil {
		return fmt.Errorf("opening the export: %w", err)
	}
	ours := slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return e.Name() == StateDir })
	if !ours && len(entries) > 0 {
		return ErrForeign
	}
	if err := out.MkdirAll(tempDir); err != nil {
		return fmt.Errorf("opening the export: %w", err)
	}
	return nil
}
