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

// publishGit makes what is in the folder dir the newest commit of the bare
// repository gitDir, which is made if it is not there: an index as cargo reads it
// by file://, and cargo before 1.68 by git's dumb HTTP, for which the repository
// has what it would tell a client in files (update-server-info). Nothing is committed
// if nothing has changed. Both paths must be absolute. Lock keeps everybody else from writing to either, so that locks that
// a git left behind when it was killed can be removed; the gits that are run hold
// it too. Errors: [exec.ErrNotFound] without git.
func publishGit(ctx context.Context, gitDir, dir string, lock *durable.Lockfile) (changed bool, err error) {
	p := &publisher{
		gitDir: gitDir, read: &git.Repository{Dir: gitDir},
		write: &git.Porcelain{Dir: dir, Lock: lock},
	}
	changed, err = p.publish(ctx)
	if err == nil {
		_, err = p.git(ctx, "update-server-info") // also if an earlier version of ours has not
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

// makeReady makes a repository, or removes the locks that a git left in it.
func (p *publisher) makeReady(ctx context.Context) error {
	for _, lock := range []string{"index.lock", "HEAD.lock", published + ".lock"} {
		if err := os.Remove(filepath.Join(p.gitDir, lock)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	// An empty template: no files to ignore. init takes no work tree.
	if _, err := p.write.Run(ctx, "init", "--quiet", "--bare", "--template=", p.gitDir); err != nil {
		return err
	}
	if filepath.Base(p.gitDir) == ".git" { // a user may look at it as a work tree
		if _, err := p.git(ctx, "config", "core.bare", "false"); err != nil {
			return err
		}
	}
	_, err := p.git(ctx, "symbolic-ref", "HEAD", published)
	return err
}

// addAll has git take every file byte for byte, whatever the user's configuration
// says of line ends and of files to ignore. Objects are synced together.
var addAll = []string{
	"-c", "core.autocrlf=false", "-c", "core.attributesFile=", "-c", "core.looseCompression=1", "-c", "core.fsyncMethod=batch",
	"add", "--all", "--force", ".",
}

// signature is who commits: not a person.
var signature = []string{"-c", "user.name=clonecratesio", "-c", "user.email=clonecratesio@localhost", "-c", "commit.gpgSign=false"}
