package git

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
)

// A Porcelain runs git commands that use the network or write. Unlike those of a
// [Repository], they obey the repository's configuration (proxies, keys), so git itself
// finds the repository, and rejects it if another user owns it (safe.directory).
type Porcelain struct {
	Dir string // where git runs
	// URL returns the URL whose transport git may use. If nil, git may use none.
	URL func() string
	// Lock is inherited by every git process, so it is held until the last of them ends.
	Lock *durable.Lockfile
	// Progress is called with git's progress lines, from another goroutine. It may be nil.
	Progress func(string)
	// Silence is how long a peer may be silent; see Network. If 0, one minute.
	Silence time.Duration
	// Quarantine is a folder for new objects, used instead of the repository's; git still
	// finds the repository's objects. May be "".
	Quarantine string
	// Shallow is the file that lists where history ends, used instead of the repository's.
	Shallow string

	heard func() // called when git writes to stderr; may be nil
}

func (p *Porcelain) url() string {
	if p.URL == nil {
		return ""
	}
	return p.URL()
}

// guards are options for every command: nothing but git itself runs, and it stays in the
// foreground until it is done.
var guards = []string{
	"-c", "core.hooksPath=" + os.DevNull,
	"-c", "core.fsmonitor=false",
	"-c", "core.symlinks=false",
	"-c", "core.fsync=all",
	"-c", "submodule.recurse=false",
	"-c", "safe.bareRepository=all",
	"-c", "gc.autoDetach=false",
}

// Run runs git to its end and returns the beginning of its output. When ctx ends, git has a
// few seconds to clean up before it is killed, with all processes that it started.
func (p *Porcelain) Run(ctx context.Context, args ...string) (string, error) {
	return p.Feed(ctx, "", args...)
}

// Feed runs git with input. Otherwise it is like Run.
func (p *Porcelain) Feed(ctx context.Context, input string, args ...string) (string, error) {
	return p.Take(ctx, strings.NewReader(input), args...)
}

// Take runs git with input that is read only as fast as git accepts it. Otherwise it is like
// Run.
func (p *Porcelain) Take(ctx context.Context, input io.Reader, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "git", append(guards[:len(guards):len(guards)], args...)...)
	cmd.Dir = p.Dir
	cmd.Env = p.environment(os.Environ())
	cmd.WaitDelay = 5 * time.Second
	if runtime.GOOS != "windows" {
		cmd.ExtraFiles = []*os.File{p.Lock.File()}
	}
	var out firstBytes
	said := &messages{progress: p.Progress, heard: p.heard}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = input, &out, said
	err := runAll(ctx, cmd)
	switch {
	case errors.Is(err, exec.ErrNotFound):
		return "", fmt.Errorf("%w: %w", ErrNone, err)
	case err != nil && strings.Contains(said.String(), "No space left on device"):
		return "", fmt.Errorf("git %s: %s: %w", command(args), said, durable.ErrNoSpace)
	case err != nil && said.String() != "":
		return "", fmt.Errorf("git %s: %s (%w)", command(args), said, err)
	case err != nil:
		return "", fmt.Errorf("git %s: %w", command(args), err)
	}
	return out.String(), nil
}

// runAll runs a command. If the command ends early, runAll kills what it started.
func runAll(ctx context.Context, cmd *exec.Cmd) error {
	runtime.LockOSThread() // Linux signals the child when the thread that started it ends, not the process
	defer runtime.UnlockOSThread()
	all := newGroup(cmd)
	err := cmd.Start()
	if err != nil {
		return err
	}
	startErr := all.started()
	err = cmd.Wait()
	all.end(ctx.Err() != nil)
	return errors.Join(err, startErr)
}

// command returns the first argument that is not an option.
func command(args []string) string {
	for len(args) > 1 && strings.HasPrefix(args[0], "-") {
		if args[0] == "-c" {
			args = args[1:]
		}
		args = args[1:]
	}
	return args[0]
}

// kept are the git variables that an operator may need to reach upstream, or to find out why
// that fails. All others could lead git elsewhere.
var kept = []string{"GIT_SSL_", "GIT_SSH", "GIT_PROXY_", "GIT_HTTP_", "GIT_TRACE", "GIT_CURL_VERBOSE", "GIT_CONFIG_GLOBAL=", "GIT_CONFIG_SYSTEM=", "GIT_CONFIG_NOSYSTEM="}

func (p *Porcelain) environment(env []string) []string {
	clean := make([]string, 0, len(env)+8)
	for _, v := range env {
		name := strings.ToUpper(v)
		if !strings.HasPrefix(name, "GIT_") || startsWithAny(name, kept) {
			clean = append(clean, v)
		}
	}
	clean = append(clean, quarantined(p.Quarantine, p.Shallow)...)
	return append(clean,
		"LC_ALL=C",
		"GIT_ALLOW_PROTOCOL="+transport(p.url()),
		"GIT_CEILING_DIRECTORIES="+filepath.Dir(p.Dir), // ignore repositories around this folder
		"GIT_NO_REPLACE_OBJECTS=1",
		"GIT_TERMINAL_PROMPT=0",
	)
}

// quarantined returns the variables that give git a quarantine. Both arguments may be "".
func quarantined(quarantine, shallow string) (env []string) {
	if quarantine != "" {
		env = append(env, "GIT_OBJECT_DIRECTORY="+quarantine)
	}
	if shallow != "" {
		env = append(env, "GIT_SHALLOW_FILE="+shallow)
	}
	return env
}

func startsWithAny(s string, prefixes []string) bool {
	for _, p := range prefixes {
		if strings.HasPrefix(s, p) {
			return true
		}
	}
	return false
}

// messages receives git's stderr: it passes progress on and keeps the rest.
type messages struct {
	progress func(string) // may be nil
	heard    func()       // likewise
	line     []byte       // an unfinished line
	text     firstBytes
}

func (m *messages) Write(p []byte) (int, error) {
	if m.heard != nil {
		m.heard()
	}
	for rest := p; len(rest) > 0; {
		i := bytes.IndexAny(rest, "\r\n")
		if i < 0 {
			m.line = append(m.line, rest[:min(len(rest), 4<<10-min(len(m.line), 4<<10))]...)
			break
		}
		m.line = append(m.line, rest[:i]...)
		m.end()
		rest = rest[i+1:]
	}
	return len(p), nil
}

// end processes a complete line.
func (m *messages) end() {
	line := string(bytes.TrimSpace(m.line))
	m.line = m.line[:0]
	switch {
	case line == "":
	case isProgress(line):
		if m.progress != nil {
			m.progress(line)
		}
	default:
		_, _ = io.WriteString(&m.text, line+"\n") // in memory; text keeps what fits
	}
}

// String returns git's messages without progress.
func (m *messages) String() string {
	m.end()
	return m.text.String()
}

// isProgress reports whether a line is progress, such as "Receiving objects:  45% (1/2), 1.00
// MiB | 3.00 MiB/s", "remote: Enumerating objects: 5, done." or "Cloning into ...".
func isProgress(line string) bool {
	what, rest, found := strings.Cut(strings.TrimPrefix(line, "remote: "), ": ")
	if strings.HasPrefix(line, "Cloning into ") || strings.HasPrefix(line, "From ") {
		return true
	}
	if !found || strings.HasPrefix(what, "fatal") || strings.HasPrefix(what, "error") || strings.HasPrefix(what, "warning") {
		return false
	}
	rest = strings.TrimSpace(rest)
	return rest != "" && rest[0] >= '0' && rest[0] <= '9'
}
