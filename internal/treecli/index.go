package treecli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/git"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/importtree"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/clone"
)

// bringIndex clones the index of a tree if the mirror has none. A clone follows what
// the tree's index followed, not the tree.
func (cfg *config) bringIndex(ctx context.Context, trees []*importtree.Tree, log *slog.Logger) error {
	if entries, err := os.ReadDir(cfg.dirs.Index); err == nil && len(entries) > 0 || err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil // opening it says what is wrong with it
	}
	for _, t := range trees {
		for _, name := range indexDirs {
			dir := filepath.Join(t.Dir, filepath.FromSlash(name))
			repo := findIndex(ctx, dir)
			if repo == nil {
				continue
			}
			from := origin(ctx, repo)
			log.Info("cloning the index of the tree", "from", dir, "to", cfg.dirs.Index, "will_follow", git.WithoutPassword(from))
			if _, err := clone.Update(ctx, clone.Config{Dir: cfg.dirs.Index, URL: dir, Origin: from, Log: log}); err != nil {
				return fmt.Errorf("cloning the index of the tree: %w", err)
			}
			return nil
		}
	}
	return nil
}

// indexDirs is where programs keep the index, in a tree of theirs.
var indexDirs = []string{"crates.io-index", "git/crates.io-index", "crates.io-index.git", "index", "index.git", "."}

// findIndex returns the repository of an index, nil if there is none. A config.json
// with what cargo wants to know shows it.
func findIndex(ctx context.Context, dir string) *git.Repository {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil
	}
	defer root.Close()
	gitDir, _ := git.Find(root)
	if gitDir == "" {
		return nil
	}
	repo := &git.Repository{Dir: gitDir}
	text, err := repo.Output(ctx, "cat-file", "blob", "HEAD:config.json")
	if err != nil || !strings.Contains(text, `"dl"`) {
		return nil
	}
	return repo
}

// origin is what an index was cloned from, empty if that is no address of a network.
func origin(ctx context.Context, repo *git.Repository) string {
	url, err := repo.Output(ctx, "config", "--get", "remote.origin.url")
	if err != nil || !strings.HasPrefix(url, "https://") && !strings.HasPrefix(url, "http://") {
		return ""
	}
	return url
}
