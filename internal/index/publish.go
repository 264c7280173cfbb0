package index

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Publish makes what is in the folder dir the newest commit of the bare
// repository gitDir, which is made if it is not there: an index as cargo reads it
// by file://. Nothing is committed if nothing has changed. Both paths must be
// absolute, and nobody else may write to either: locks that a git left behind
// when it was killed are removed. Errors: [exec.ErrNotFound] without git.
func Publish(ctx context.Context, gitDir, dir string) (changed bool, err error) {
	repo := &repository{dir: gitDir}
	changed, err = repo.publish(ctx, dir)
	if err != nil {
		return false, fmt.Errorf("committing the index to %s: %w", gitDir, err)
	}
	return changed, nil
}

const published = "refs/heads/master"

func (r *repository) publish(ctx context.Context, dir string) (changed bool, err error) {
	if err := r.makeReady(ctx); err != nil {
		return false, err
	}
	if err := r.run(ctx, addArgs(dir)...); err != nil {
		return false, err
	}
	tree, err := r.output(ctx, "write-tree")
	if err != nil {
		return false, err
	}
	commit := append(signature(), "commit-tree", "-m", "Update crates", tree)
	last, err := r.head(ctx)
	if err == nil {
		was, err := r.output(ctx, "rev-parse", "--verify", last.Commit+"^{tree}")
		if err != nil || was == tree {
			return false, err
		}
		commit = append(commit, "-p", last.Commit)
	} else if !errors.Is(err, errUnborn) {
		return false, err
	}
	next, err := r.output(ctx, commit...)
	if err != nil {
		return false, err
	}
	if err := r.run(ctx, "update-ref", published, next, last.Commit); err != nil {
		return false, err
	}
	return true, r.run(ctx, "-c", "gc.autoDetach=false", "gc", "--auto", "--quiet")
}

// makeReady makes a repository, or removes the locks that a git left in it.
func (r *repository) makeReady(ctx context.Context) error {
	for _, lock := range []string{"index.lock", "HEAD.lock", published + ".lock"} {
		if err := os.Remove(filepath.Join(r.dir, lock)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	// An empty template: no hooks, no excludes.
	if err := r.run(ctx, "init", "--quiet", "--bare", "--template="); err != nil {
		return err
	}
	return r.run(ctx, "symbolic-ref", "HEAD", published)
}

// addArgs has git take every file of dir byte for byte, whatever the user's
// configuration says of line ends and of files to ignore. Objects are durable
// before the reference names them.
func addArgs(dir string) []string {
	return []string{
		"-C", dir, "--work-tree=" + dir,
		"-c", "core.autocrlf=false", "-c", "core.attributesFile=", "-c", "core.looseCompression=1",
		"-c", "core.fsync=loose-object,index,reference", "-c", "core.fsyncMethod=batch",
		"add", "--all", "--force", ".",
	}
}

// signature is who commits: not a person.
func signature() []string {
	return []string{"-c", "user.name=clonecratesio", "-c", "user.email=clonecratesio@localhost", "-c", "commit.gpgSign=false"}
}

func (r *repository) run(ctx context.Context, args ...string) error {
	_, err := r.output(ctx, args...)
	return err
}
