package index

import (
	"bytes"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// sum returns a checksum that is the digit c 64 times.
func sum(c string) string { return strings.Repeat(c, 64) }

// line returns an index line as crates.io writes it.
func line(name, vers, cksum string) string {
	return fmt.Sprintf(`{"name":%q,"vers":%q,"deps":[],"cksum":%q,"features":{},"yanked":false}`, name, vers, cksum)
}

// An indexTree is the files of an index by path.
type indexTree map[string]string

func (tree indexTree) write(t *testing.T, dir string) {
	t.Helper()
	for p, content := range tree {
		file := filepath.Join(dir, filepath.FromSlash(p))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// git runs git in dir, untouched by the configuration of whoever tests.
func git(t *testing.T, dir string, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("there is no git to test with")
	}
	cmd := exec.Command("git", append([]string{"-c", "protocol.file.allow=always", "-c", "core.autocrlf=false"}, args...)...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL="+os.DevNull, "GIT_CONFIG_NOSYSTEM=1",
		"GIT_AUTHOR_NAME=t", "GIT_AUTHOR_EMAIL=t@example.com", "GIT_COMMITTER_NAME=t", "GIT_COMMITTER_EMAIL=t@example.com",
		"GIT_AUTHOR_DATE=1700000000 +0000", "GIT_COMMITTER_DATE=1700000000 +0000")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// checkoutOf returns a new repository with tree committed and checked out.
func checkoutOf(t *testing.T, tree indexTree) string {
	t.Helper()
	dir := t.TempDir()
	git(t, dir, "init", "-q")
	tree.write(t, dir)
	git(t, dir, "add", "-A")
	git(t, dir, "commit", "-q", "-m", "index")
	return dir
}

// bareOf returns a bare clone of a repository.
func bareOf(t *testing.T, repo string, options ...string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "index.git")
	git(t, repo, slices.Concat([]string{"clone", "-q", "--bare"}, options, []string{"file://" + filepath.ToSlash(repo), dir})...)
	return dir
}

func folderOf(t *testing.T, tree indexTree) string {
	t.Helper()
	dir := t.TempDir()
	tree.write(t, dir)
	return dir
}

func openIndex(t *testing.T, dir string, log *bytes.Buffer) *Index {
	t.Helper()
	opt := Options{}
	if log != nil {
		opt.Log = slog.New(slog.NewTextHandler(log, nil))
	}
	x, err := Open(t.Context(), dir, opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := x.Close(); err != nil {
			t.Error(err)
		}
	})
	return x
}

// readIndex returns all that an index says as text, one line for a crate,
// entry or error.
func readIndex(t *testing.T, x *Index, want func(File) bool) []string {
	t.Helper()
	var got []string
	for c, err := range x.Crates(t.Context(), want) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, describe(c)...)
	}
	return got
}

func describe(c *Crate) []string {
	if c.Err != nil {
		return []string{fmt.Sprintf("%s: %v", c.Path, c.Err)}
	}
	text := []string{fmt.Sprintf("%s %s", c.Path, c.Blob)}
	for _, e := range c.Entries {
		text = append(text, fmt.Sprintf(" %d %v %.1s %v %q", e.Line, e.ID, e.Checksum, e.Yanked, e.Raw))
	}
	for _, bad := range c.Bad {
		text = append(text, fmt.Sprintf(" bad %v", bad))
	}
	return text
}

// readOne parses content as the file of the crate name.
func readOne(name, content string) (*Crate, string) {
	var log bytes.Buffer
	p := &fileParser{log: slog.New(slog.NewTextHandler(&log, nil))}
	c := &Crate{File: File{Path: crate.IndexPath(name)}}
	p.file(c, []byte(content), nil)
	return c, log.String()
}

// paths returns the sorted paths of tree that are index files.
func (tree indexTree) paths() []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(tree)), func(p string) bool { return !crate.CheckIndexPath(p) })
}
