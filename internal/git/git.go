// Package git runs the git program on untrusted repositories, such that they cannot decide
// what runs, or where it reads, writes or connects.
//
// A [Repository] reads. It uses no network and takes no locks, and git executes nothing from
// the repository's configuration, even if another user owns it. A [Porcelain] fetches and
// writes. It obeys the user's configuration (proxies, keys), but runs no hook, filter or
// transport that a repository or a URL names. It ends, with all processes that it started,
// when its peer falls silent or this process is killed.
//
// The package knows nothing about crates: package index parses what git reads, and package
// clone decides what to fetch.
package git

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// defaultCache holds the delta bases of neighbouring index files: measured on the real index,
// it halves git's time.
const defaultCache = 512 << 20

// ErrNone says that git is not installed. It wraps [exec.ErrNotFound].
var ErrNone = errors.New("git is not installed: install it from https://git-scm.com")

// A Repository runs git on one git directory, for reading. Its methods may be called
// concurrently.
type Repository struct {
	Dir    string   // the git directory, or a worktree's ".git" file
	Tree   string   // the working tree, for commands that need it
	Cache  int64    // core.deltaBaseCacheLimit in bytes; 0: 512 MiB
	Config []string // further settings, "name=value"
	// Quarantine and Shallow are as in Porcelain: they are set to read what is in a
	// quarantine.
	Quarantine, Shallow string
}

// Find returns the git directory of a folder, or "", and whether the folder itself is that
// directory, which then has no working tree.
func Find(root *os.Root) (gitDir string, bare bool) {
	// A worktree has a file ".git", which git resolves by itself.
	if _, err := root.Lstat(".git"); err == nil {
		return filepath.Join(root.Name(), ".git"), false
	}
	for _, name := range []string{"HEAD", "objects", "refs"} {
		if _, err := root.Stat(name); err != nil {
			return "", false
		}
	}
	return root.Name(), true
}

// A process is a running git. The caller reads its output from out and must call wait.
type process struct {
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    io.ReadCloser
	stderr firstBytes
}

// start starts git. When ctx ends, git is killed.
func (r *Repository) start(ctx context.Context, args ...string) (*process, error) {
	p := &process{cmd: exec.CommandContext(ctx, "git", r.options(args)...)}
	p.cmd.Dir, p.cmd.Env = r.Tree, append(environment(os.Environ()), quarantined(r.Quarantine, r.Shallow)...)
	p.cmd.Stderr = &p.stderr
	p.cmd.WaitDelay, p.cmd.SysProcAttr = 5*time.Second, apart()
	var err error
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		return nil, fmt.Errorf("running git %s: %w", args[0], err)
	}
	if p.out, err = p.cmd.StdoutPipe(); err != nil {
		return nil, fmt.Errorf("running git %s: %w", args[0], err)
	}
	if err := p.cmd.Start(); errors.Is(err, exec.ErrNotFound) {
		return nil, fmt.Errorf("%w: %w", ErrNone, err)
	} else if err != nil {
		return nil, fmt.Errorf("running git %s: %w", args[0], err)
	}
	return p, nil
}

// options prepends the options that every command needs. An explicit --git-dir saves git the
// search, and with it the rejection of repositories that other users own (safe.directory):
// none of our commands executes anything from a repository's configuration.
func (r *Repository) options(args []string) []string {
	cache := r.Cache
	if cache == 0 {
		cache = defaultCache
	}
	options := []string{"--git-dir=" + r.Dir, "-c", "core.deltaBaseCacheLimit=" + strconv.FormatInt(cache, 10), "-c", "core.fsmonitor=false"}
	if r.Tree != "" {
		options = append(options, "--work-tree="+r.Tree)
	}
	for _, c := range r.Config {
		options = append(options, "-c", c)
	}
	return append(options, args...)
}

// environment returns env without the variables that would lead git elsewhere, and with those
// that keep it from using the network, writing and asking.
func environment(env []string) []string {
	clean := make([]string, 0, len(env)+8)
	for _, v := range env {
		if !strings.HasPrefix(strings.ToUpper(v), "GIT_") {
			clean = append(clean, v)
		}
	}
	return append(clean,
		"LC_ALL=C",
		"GIT_NO_LAZY_FETCH=1",      // a partial clone does not fetch missing objects,
		"GIT_ALLOW_PROTOCOL=none",  // not even with a git that does not know the variable above
		"GIT_NO_REPLACE_OBJECTS=1", // an ID names the bytes with this hash
		"GIT_OPTIONAL_LOCKS=0",
		"GIT_TERMINAL_PROMPT=0",
	)
}

// wait waits for git to end and returns why it failed, in git's words.
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

// firstBytes keeps the beginning of its input.
type firstBytes struct{ kept []byte }

func (b *firstBytes) Write(p []byte) (int, error) {
	const most = 4 << 10
	b.kept = append(b.kept, p[:min(len(p), most-len(b.kept))]...)
	return len(p), nil
}

func (b *firstBytes) String() string { return strings.TrimSpace(string(b.kept)) }

// Output runs git and returns the beginning of its output, at most 4 KiB, without the
// newline. The error has git's own message, and an [exec.ExitError].
func (r *Repository) Output(ctx context.Context, args ...string) (string, error) {
	p, err := r.start(ctx, args...)
	if err != nil {
		return "", err
	}
	p.in.Close()
	var out firstBytes
	_, readErr := io.Copy(&out, p.out)
	return out.String(), errors.Join(p.wait(), readErr)
}

// Read runs git and passes its output to fn. If fn fails, it may leave output unread.
func (r *Repository) Read(ctx context.Context, fn func(out io.Reader) error, args ...string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	p, err := r.start(ctx, args...)
	if err != nil {
		return err
	}
	p.in.Close()
	if err := fn(p.out); err != nil {
		cancel()
		_ = p.wait() // fails because git was killed
		return err
	}
	return p.wait()
}

// Pipe runs git with input and copies its output to a writer.
func (r *Repository) Pipe(ctx context.Context, input string, to io.Writer, args ...string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	p, err := r.start(ctx, args...)
	if err != nil {
		return err
	}
	fed := make(chan error, 1)
	go func() {
		_, err := io.WriteString(p.in, input)
		fed <- errors.Join(err, p.in.Close())
	}()
	_, copyErr := io.Copy(to, p.out)
	if copyErr != nil {
		cancel() // the rest of git's output is not needed
	}
	feedErr := <-fed
	if err := p.wait(); err != nil && copyErr == nil {
		return err // git could not write its output, and so did not read its input
	}
	return errors.Join(copyErr, feedErr)
}

// maxField bounds a field that EachField reads, in bytes. A line of a listing has some 70.
const maxField = 64 << 10

// EachField runs git and calls fn for each field of its output; fields end with a NUL (-z). A
// field is valid until fn returns.
func (r *Repository) EachField(ctx context.Context, fn func(field []byte) error, args ...string) error {
	return r.Read(ctx, func(out io.Reader) error { return eachField(out, fn) }, args...)
}

func eachField(out io.Reader, fn func([]byte) error) error {
	fields := bufio.NewScanner(out)
	fields.Buffer(nil, maxField)
	fields.Split(splitNUL)
	for fields.Scan() {
		if err := fn(fields.Bytes()); err != nil {
			return err
		}
	}
	return fields.Err()
}

func splitNUL(data []byte, _ bool) (int, []byte, error) {
	if i := bytes.IndexByte(data, 0); i >= 0 {
		return i + 1, data[:i], nil
	}
	return 0, nil, nil
}
