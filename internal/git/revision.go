package git

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// A Revision is a commit of a git repository; zero if there is none.
type Revision struct {
	Commit string    // its ID, 40 hexadecimal digits
	Time   time.Time // when it was made
}

func (r Revision) String() string { return r.Commit + " of " + r.Time.UTC().Format(time.RFC3339) }

// ErrUnborn says that HEAD, or another reference, names a branch without commits.
var ErrUnborn = errors.New("HEAD of the git repository names no commit")

// Head returns the commit that HEAD names. Errors: ErrUnborn.
func (r *Repository) Head(ctx context.Context) (Revision, error) { return r.Revision(ctx, "HEAD") }

// Revision returns the commit that a reference names. Errors: ErrUnborn.
func (r *Repository) Revision(ctx context.Context, ref string) (Revision, error) {
	// A server calls this all the time: usually one git is enough.
	rev, err := r.revision(ctx, ref)
	if err == nil {
		return rev, nil
	}
	commit, err := r.resolve(ctx, ref)
	if err != nil {
		return Revision{}, err
	}
	// The branch has a commit by now, or its commit cannot be read.
	if rev, err = r.revision(ctx, commit); err != nil {
		return Revision{}, fmt.Errorf("reading commit %s: %w", commit, err)
	}
	return rev, nil
}

func (r *Repository) revision(ctx context.Context, name string) (Revision, error) {
	out, err := r.Output(ctx, "rev-list", "--max-count=1", "--format=%ct", name, "--")
	if err != nil {
		return Revision{}, err
	}
	commit, seconds, _ := strings.Cut(strings.TrimPrefix(out, "commit "), "\n")
	if len(commit) != 2*len(ID{}) {
		return Revision{}, fmt.Errorf("%s is %s: only repositories with SHA-1 ids are supported", name, commit)
	}
	unix, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil {
		return Revision{}, fmt.Errorf("reading the date of commit %s: %w", commit, err)
	}
	return Revision{commit, time.Unix(unix, 0)}, nil
}

// resolve returns the ID of the commit that a reference names. Errors: ErrUnborn.
func (r *Repository) resolve(ctx context.Context, ref string) (commit string, err error) {
	// Without "^{commit}", git does not read the object: this only asks whether the reference
	// names an ID.
	_, err = r.Output(ctx, "rev-parse", "--verify", "--quiet", ref)
	if exit, ok := errors.AsType[*exec.ExitError](err); ok && exit.ExitCode() == 1 {
		return "", ErrUnborn
	}
	if err == nil {
		commit, err = r.Output(ctx, "rev-parse", "--verify", ref+"^{commit}")
	}
	if err != nil {
		err = fmt.Errorf("reading %s: %w", ref, err)
	}
	return commit, err
}

// EachCommit calls fn for the commits that "git rev-list" finds with these arguments, in its
// order. If a commit's date cannot be parsed, its Time is zero.
func (r *Repository) EachCommit(ctx context.Context, fn func(Revision) error, args ...string) error {
	return r.Read(ctx, func(out io.Reader) error {
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			commit, seconds, found := strings.Cut(lines.Text(), " ")
			if !found || commit == "commit" {
				continue // a header line
			}
			rev := Revision{Commit: commit}
			if unix, err := strconv.ParseInt(seconds, 10, 64); err == nil {
				rev.Time = time.Unix(unix, 0)
			}
			if err := fn(rev); err != nil {
				return err
			}
		}
		return lines.Err()
	}, append([]string{"rev-list", "--format=%H %ct"}, args...)...)
}

// HeadFiles returns the files that git replaces when HEAD moves to another commit: HEAD
// itself, the branch that it names, packed-refs, or the list of a reftable. In a worktree,
// they are in two folders.
func (r *Repository) HeadFiles(ctx context.Context) ([]string, error) {
	branch, err := r.Output(ctx, "rev-parse", "--symbolic-full-name", "HEAD") // or HEAD again
	if err != nil {
		return nil, err
	}
	var names []string
	for _, file := range []string{"HEAD", branch, "packed-refs", "reftable/tables.list"} {
		name, err := r.Output(ctx, "rev-parse", "--git-path", file) // one at a time: a path may contain line breaks
		if err != nil {
			return nil, err
		}
		names = append(names, name)
	}
	return names, nil
}
