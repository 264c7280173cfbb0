package export

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/git"
)

// publishGit commits the content of the folder dir to the bare repository gitDir, which it
// creates if absent: an index as cargo reads it through file://, and cargo before 1.68 over
// git's dumb HTTP, for which the repository needs files from update-server-info. It commits
// nothing if nothing changed. Both paths must be absolute. The lock excludes all other
// writers, so publishGit may remove lock files that a killed git left behind; the git
// processes that it runs inherit the lock. Errors: [exec.ErrNotFound] without git.
func publishGit(ctx context.Context, gitDir, dir string, lock *durable.Lockfile) (changed bool, err error) {
	p := &publisher{
		gitDir: gitDir, read: &git.Repository{Dir: gitDir},
		write: &git.Porcelain{Dir: dir, Lock: lock},
	}
	changed, err = p.publish(ctx)
	if err == nil {
		_, err = p.git(ctx, "update-server-info") // also if an earlier version of ours did not
	}
	if given := durable.GiveAway(gitDir); err == nil {
		err = given
	}
	if err != nil {
		return false, fmt.Errorf("committing the index to %s: %w", gitDir, err)
	}
	return changed, nil
}

// A publisher commits a folder, which is the work tree.
type publisher struct {
	gitDir string
	read   *git.Repository
	write  *git.Porcelain
}

const published = "refs/heads/master"

func (p *publisher) git(ctx context.Context, args ...string) (string, error) {
	return p.write.Run(ctx, append([]string{"--git-dir=" + p.gitDir, "--work-tree=" + p.write.Dir}, args...)...)
}

func (p *publisher) publish(ctx context.Context) (changed bool, err error) {
	if err := p.makeReady(ctx); err != nil {
		return false, err
	}
	if _, err := p.git(ctx, addAll...); err != nil {
		return false, err
	}
	tree, err := p.git(ctx, "write-tree")
	if err != nil {
		return false, err
	}
	commit := append(signature[:len(signature):len(signature)], "commit-tree", "-m", "Update crates", tree)
	last, err := p.read.Head(ctx)
	if err == nil {
		was, err := p.read.Output(ctx, "rev-parse", "--verify", last.Commit+"^{tree}")
		if err != nil || was == tree {
			return false, err
		}
		commit = append(commit, "-p", last.Commit)
	} else if !errors.Is(err, git.ErrUnborn) {
		return false, err
	}
	next, err := p.git(ctx, commit...)
	if err != nil {
		return false, err
	}
	if _, err := p.git(ctx, "update-ref", published, next, last.Commit); err != nil {
		return false, err
	}
	_, err = p.git(ctx, "gc", "--auto", "--quiet")
	return true, err
}

// makeReady creates the repository, or removes lock files that a killed git left in it.
func (p *publisher) makeReady(ctx context.Context) error {
	for _, lock := range []string{"index.lock", "HEAD.lock", published + ".lock"} {
		if err := os.Remove(filepath.Join(p.gitDir, lock)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	// An empty template, since no files are to be ignored. init takes no work tree.
	if _, err := p.write.Run(ctx, "init", "--quiet", "--bare", "--template=", p.gitDir); err != nil {
		return err
	}
	if filepath.Base(p.gitDir) == ".git" { // a user may use it as a work tree
		if _, err := p.git(ctx, "config", "core.bare", "false"); err != nil {
			return err
		}
	}
	_, err := p.git(ctx, "symbolic-ref", "HEAD", published)
	return err
}

// addAll makes git add every file unchanged, whatever the user configured for line endings
// and ignored files. Objects are synced together.
var addAll = []string{
	"-c", "core.autocrlf=false", "-c", "core.attributesFile=", "-c", "core.looseCompression=1", "-c", "core.fsyncMethod=batch",
	"add", "--all", "--force", ".",
}

// signature is the committer, which is not a person.
var signature = []string{"-c", "user.name=clonecratesio", "-c", "user.email=clonecratesio@localhost", "-c", "commit.gpgSign=false"}
