package treecli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
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
			return cfg.cloneIndex(ctx, dir, repo, log)
		}
	}
	return nil
}

// cloneIndex clones what upstream had in an index that another program keeps: on top of
// that, panamax commits a config.json of its own.
func (cfg *config) cloneIndex(ctx context.Context, dir string, repo *git.Repository, log *slog.Logger) error {
	url, err := git.TransportURL(dir)
	if err != nil {
		return err
	}
	from, commit := cmp.Or(origin(ctx, repo), url), upstreams(ctx, repo)
	log.Info("cloning the index of the tree", "from", dir, "commit_of", commit, "to", cfg.dirs.Index, "will_follow", git.WithoutPassword(from))
	job := clone.Config{Dir: cfg.dirs.Index, Log: log}
	job.Carried = func(ctx context.Context, work *git.Porcelain, gitDir string) error {
		if _, err := work.Run(ctx, "config", "--local", "remote.origin.url", from); err != nil {
			return err
		}
		from := *work
		from.URL = func() string { return url }
		return from.Network(ctx, gitDir, "fetch", "--progress", "--depth=1", "--no-tags", "--no-auto-maintenance", "--no-write-fetch-head", "--force",
			"--end-of-options", url, "+"+commit+":"+clone.Fetched)
	}
	if _, err := clone.Update(ctx, job); err != nil {
		return fmt.Errorf("cloning the index of the tree: %w", err)
	}
	return nil
}

// upstreams is the name of what a clone last fetched, or else of what it has.
func upstreams(ctx context.Context, repo *git.Repository) string {
	for _, ref := range []string{"refs/remotes/origin/HEAD", "refs/remotes/origin/master"} {
		if _, err := repo.Output(ctx, "rev-parse", "--verify", "--quiet", ref+"^{commit}"); err == nil {
			return ref
		}
	}
	return "HEAD"
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

// origin is what an index was cloned from, empty if that is none of the addresses that
// may be taken from what is not ours: git runs programs for others.
func origin(ctx context.Context, repo *git.Repository) string {
	url, err := repo.Output(ctx, "config", "--get", "remote.origin.url")
	if err != nil || !slices.ContainsFunc([]string{"https://", "http://", "file:///"}, func(scheme string) bool { return strings.HasPrefix(url, scheme) }) {
		return ""
	}
	return url
}
