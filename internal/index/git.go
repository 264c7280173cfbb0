package index

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// defaultGitCache is enough for git to keep the delta bases of neighbouring
// index files: measured on the real index, it halves git's time.
const defaultGitCache = 512 << 20

var (
	errNoGit  = errors.New("there is no git to run; install it (https://git-scm.com)")
	errUnborn = errors.New("HEAD of the git repository names no commit")
)

// A repository runs the git binary on one git directory.
type repository struct {
	dir    string   // or a worktree's ".git" file
	tree   string   // the working tree, where that is looked at
	cache  int64    // core.deltaBaseCacheLimit, 0: defaultGitCache
	config []string // of more than that
}

// A process is a running git. Its output is read from out; wait must be
// called in any case.
type process struct {
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    io.ReadCloser
	stderr firstBytes
}

// start starts git, to be killed when ctx ends.
func (r *repository) start(ctx context.Context, args ...string) (*process, error) {
	p := &process{cmd: exec.CommandContext(ctx, "git", r.options(args)...)}
	p.cmd.Dir, p.cmd.Env = r.tree, environment(os.Environ())
	p.cmd.Stderr = &p.stderr
	p.cmd.WaitDelay = 5 * time.Second
	var err error
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		return nil, fmt.Errorf("running git %s: %w", args[0], err)
	}
	if p.out, err = p.cmd.StdoutPipe(); err != nil {
		return nil, fmt.Errorf("running git %s: %w", args[0], err)
	}
	if err := p.cmd.Start(); errors.Is(err, exec.ErrNotFound) {
		return nil, fmt.Errorf("%w: %w", errNoGit, err)
	} else if err != nil {
		return nil, fmt.Errorf("running git %s: %w", args[0], err)
	}
	return p, nil
}

// options puts what every command needs before args. An explicit --git-dir
// spares git the search, and the refusal of repositories of other users
// (safe.directory) that comes with it: nothing that we run executes what a
// repository's configuration says.
func (r *repository) options(args []string) []string {
	cache := r.cache
	if cache == 0 {
		cache = defaultGitCache
	}
	options := []string{"--git-dir=" + r.dir, "-c", "core.deltaBaseCacheLimit=" + strconv.FormatInt(cache, 10), "-c", "core.fsmonitor=false"}
	if r.tree != "" {
		options = append(options, "--work-tree="+r.tree)
	}
	for _, c := range r.config {
		options = append(options, "-c", c)
	}
	return append(options, args...)
}

// environment is env without what would lead git elsewhere, and with what
// keeps it from the network, from writing and from asking.
func environment(env []string) []string {
	clean := make([]string, 0, len(env)+8)
	for _, v := range env {
		if !strings.HasPrefix(strings.ToUpper(v), "GIT_") {
			clean = append(clean, v)
		}
	}
	return append(clean,
		"LC_ALL=C",
		"GIT_NO_LAZY_FETCH=1",      // a partial clone does not fetch what it lacks,
		"GIT_ALLOW_PROTOCOL=none",  // nor does a git that does not know the former
		"GIT_NO_REPLACE_OBJECTS=1", // an id names the bytes that it is the hash of
		"GIT_OPTIONAL_LOCKS=0",
		"GIT_TERMINAL_PROMPT=0",
	)
}

// wait waits for the end of git and returns why it failed, in its own words.
func (p *process) wait() error {
	err := p.cmd.Wait()
	if err == nil {
		return nil
	}
	if text := p.stderr.String(); text != "" {
		return fmt.Errorf("git: %s (%w)", text, err)
	}
	return fmt.Errorf("git: %w", err)
}

// firstBytes keeps the beginning of what is written to it.
type firstBytes struct{ kept []byte }

func (b *firstBytes) Write(p []byte) (int, error) {
	const most = 4 << 10
	b.kept = append(b.kept, p[:min(len(p), most-len(b.kept))]...)
	return len(p), nil
}

func (b *firstBytes) String() string { return strings.TrimSpace(string(b.kept)) }

// output runs git and returns the beginning of its output without the newline.
func (r *repository) output(ctx context.Context, args ...string) (string, error) {
	p, err := r.start(ctx, args...)
	if err != nil {
		return "", err
	}
	p.in.Close()
	var out firstBytes
	_, readErr := io.Copy(&out, p.out)
	return out.String(), errors.Join(p.wait(), readErr)
}

// head returns the commit that HEAD names. Errors: errUnborn.
func (r *repository) head(ctx context.Context) (Revision, error) { return r.revision(ctx, "HEAD") }

// revision returns the commit that a reference names. Errors: errUnborn.
func (r *repository) revision(ctx context.Context, ref string) (Revision, error) {
	// Without "^{commit}" nothing is looked up: the reference names no id, or it does.
	_, err := r.output(ctx, "rev-parse", "--verify", "--quiet", ref)
	if exit, ok := errors.AsType[*exec.ExitError](err); ok && exit.ExitCode() == 1 {
		return Revision{}, errUnborn
	}
	var commit string
	if err == nil {
		commit, err = r.output(ctx, "rev-parse", "--verify", ref+"^{commit}")
	}
	if err != nil {
		return Revision{}, fmt.Errorf("reading %s: %w", ref, err)
	}
	if len(commit) != 2*len(Blob{}) {
		return Revision{}, fmt.Errorf("%s is %s: only repositories with SHA-1 ids are supported", ref, commit)
	}
	out, err := r.output(ctx, "rev-list", "--max-count=1", "--format=%ct", commit)
	if err != nil {
		return Revision{}, fmt.Errorf("reading commit %s: %w", commit, err)
	}
	_, seconds, _ := strings.Cut(out, "\n") // the first line is "commit {id}"
	unix, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil {
		return Revision{}, fmt.Errorf("reading the date of commit %s: %w", commit, err)
	}
	return Revision{commit, time.Unix(unix, 0)}, nil
}
