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

// bringIndex clones the index of a tree if the mirror has none. The clone follows the
// upstream of the tree's index, not the tree.
func (cfg *config) bringIndex(ctx context.Context, trees []*importtree.Tree, log *slog.Logger) error {
	if entries, err := os.ReadDir(cfg.dirs.Index); err == nil && len(entries) > 0 || err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil // opening it reports the problem
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

// cloneIndex clones upstream's commit from an index that another program maintains: panamax
// adds its own commit with a config.json.
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

// upstreams returns the name of what a clone last fetched, or else of what it has.
func upstreams(ctx context.Context, repo *git.Repository) string {
	for _, ref := range []string{"refs/remotes/origin/HEAD", "refs/remotes/origin/master"} {
		if _, err := repo.Output(ctx, "rev-parse", "--verify", "--quiet", ref+"^{commit}"); err == nil {
			return ref
		}
	}
	return "HEAD"
}

// indexDirs are the places of the index in trees of other programs.
var indexDirs = []string{"crates.io-index", "git/crates.io-index", "crates.io-index.git", "index", "index.git", "."}

// findIndex returns the repository of an index, or nil if there is none. It is recognised
// by a config.json with cargo's fields.
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

// origin returns the URL from which an index was cloned, or "" if it is not safe to use an
// untrusted one: for some URLs git runs programs.
func origin(ctx context.Context, repo *git.Repository) string {
	url, err := repo.Output(ctx, "config", "--get", "remote.origin.url")
	if err != nil || !slices.ContainsFunc([]string{"https://", "http://", "file:///"}, func(scheme string) bool { return strings.HasPrefix(url, scheme) }) {
		return ""
	}
	return url
}
