// Package indextest makes indexes for tests, with the installed git: lines, files and
// repositories, and a registry that publishes one.
//
// It does not read them; packages index and clone, which it serves, do.
package indextest

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

// Sum returns a checksum that is the digit c 64 times.
func Sum(c string) string { return strings.Repeat(c, 64) }

// Line returns an index line as crates.io writes it.
func Line(name, vers, cksum string) string {
	return fmt.Sprintf(`{"name":%q,"vers":%q,"deps":[],"cksum":%q,"features":{},"yanked":false}`, name, vers, cksum)
}

// A Tree is the files of an index by path.
type Tree map[string]string

// Write writes the files to a folder.
func (tree Tree) Write(t *testing.T, dir string) {
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

// NeedGit skips a test if there is no git.
func NeedGit(t testing.TB) {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("there is no git to test with")
	}
}

// Git runs git in dir, without the user's configuration.
func Git(t *testing.T, dir string, args ...string) string {
	t.Helper()
	NeedGit(t)
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

// CheckoutOf returns a new repository with tree committed and checked out.
func CheckoutOf(t *testing.T, tree Tree) string {
	t.Helper()
	dir := t.TempDir()
	Git(t, dir, "init", "-q")
	tree.Write(t, dir)
	Git(t, dir, "add", "-A")
	Git(t, dir, "commit", "-q", "-m", "index")
	return dir
}

// BareOf returns a bare clone of a repository.
func BareOf(t *testing.T, repo string, options ...string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "index.git")
	Git(t, repo, slices.Concat([]string{"clone", "-q", "--bare"}, options, []string{"file://" + filepath.ToSlash(repo), dir})...)
	return dir
}

// FolderOf returns a new folder with tree in it.
func FolderOf(t *testing.T, tree Tree) string {
	t.Helper()
	dir := t.TempDir()
	tree.Write(t, dir)
	return dir
}

// Paths returns the sorted paths of the index files in tree.
func (tree Tree) Paths() []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(tree)), func(p string) bool { return !crate.CheckIndexPath(p) })
}

// WriteFile writes a file, and makes its parent folders.
func WriteFile(t *testing.T, file, content string) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(content), 0o644)); err != nil {
		t.Fatal(err)
	}
}
