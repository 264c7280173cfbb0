package simreg

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// commitEpoch is the time of the first commit unless Date sets it; each commit is a minute
// later than the previous one, so the same steps give the same commit ids.
var commitEpoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// CommitIndex commits the current index to the branch master of the git repository at dir
// and returns the commit's id. It makes a missing repository: bare if dir ends in ".git",
// otherwise with a work tree, which then follows the commit. It needs the git binary.
func (r *Registry) CommitIndex(ctx context.Context, dir, message string) (string, error) {
	from := "refs/heads/master^0" // the commit that the branch is at
	if !isRepository(dir) {
		if err := initRepository(ctx, dir); err != nil {
			return "", err
		}
		from = ""
	}
	return r.commit(ctx, dir, from, message)
}

// Squash forces a commit without parents onto master, as crates.io does when the history
// has grown too long, and returns its id.
func (r *Registry) Squash(ctx context.Context, dir string) (string, error) {
	return r.commit(ctx, dir, "", "Collapse index into one commit")
}

// Date sets the time of the next commit.
func (r *Registry) Date(t time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.clock = t
}

// isRepository checks only dir itself: git would also find a repository around it.
func isRepository(dir string) bool {
	for _, name := range []string{".git", "HEAD"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
			return true
		}
	}
	return false
}

func initRepository(ctx context.Context, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("making the index repository: %w", err)
	}
	args := []string{"init", "--quiet", "--initial-branch=master", "--template="}
	if strings.HasSuffix(dir, ".git") {
		args = append(args, "--bare")
	}
	_, err := git(ctx, dir, nil, args...)
	return err
}

// commit runs git once, and a second time if there is a work tree: starting a program costs
// more than a commit of the small indexes of tests. Git keeps each commit as a pack, which
// saves the program that unpacks it.
func (r *Registry) commit(ctx context.Context, dir, from, message string) (string, error) {
	r.mu.Lock()
	when := r.clock
	r.clock = when.Add(time.Minute)
	r.mu.Unlock()

	pr, pw := io.Pipe()
	go func() { pw.CloseWithError(r.fastImport(pw, when, from, message)) }()
	id, err := git(ctx, dir, pr, "-c", "fastimport.unpackLimit=1", "fast-import", "--quiet", "--force")
	pr.Close() // ends the goroutine even if git exited early
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(filepath.Join(dir, ".git")); err == nil {
		_, err = git(ctx, dir, nil, "reset", "--quiet", "--hard", "master")
		return id, err
	}
	return id, nil
}

// fastImport writes the whole index as one commit for git-fast-import(1), which prints its
// id.
func (r *Registry) fastImport(w io.Writer, when time.Time, from, message string) error {
	fmt.Fprintf(w, "commit refs/heads/master\nmark :1\ncommitter bors <bors@rust-lang.org> %d +0000\n", when.Unix())
	fmt.Fprintf(w, "data %d\n%s\n", len(message), message)
	if from != "" {
		fmt.Fprintf(w, "from %s\n", from)
	}
	fmt.Fprintf(w, "deleteall\n")
	for path, data := range r.indexFiles() {
		if _, err := fmt.Fprintf(w, "M 644 inline %s\ndata %d\n%s\n", path, len(data), data); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(w, "\nget-mark :1\ndone\n")
	return err
}

// git runs one command, without the configuration of user and system, and without the
// repository that a surrounding hook may have set.
func git(ctx context.Context, dir string, stdin io.Reader, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir = dir
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "GIT_") {
			cmd.Env = append(cmd.Env, kv)
		}
	}
	cmd.Env = append(cmd.Env, "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL="+os.DevNull, "LC_ALL=C")
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("running git %s in %s: %w: %s", args[0], dir, err, bytes.TrimSpace(stderr.Bytes()))
	}
	return strings.TrimSpace(stdout.String()), nil
}
