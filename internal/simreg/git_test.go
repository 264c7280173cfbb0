package simreg

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

func needGit(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("no git binary")
	}
}

func mustGit(t *testing.T, dir string, args ...string) string {
	t.Helper()
	out, err := git(t.Context(), dir, nil, args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestCommitIndex(t *testing.T) {
	needGit(t)
	for _, name := range []string{"checkout", "bare.git"} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), name)
			if err := os.Mkdir(dir, 0o755); err != nil { // an empty folder is no repository yet
				t.Fatal(err)
			}
			r := New(MustParse("foo 1.0.0\nbar 1.0.0")...)
			first := commitIndex(t, r, dir, "Create crate `foo`")
			r.Add(MustParse("foo 1.1.0")...)
			r.Remove(id("bar", "1.0.0"))
			second := commitIndex(t, r, dir, "Update crate `foo`")

			if got := mustGit(t, dir, "rev-list", "master"); got != second+"\n"+first {
				t.Errorf("history = %q, want %s and %s", got, second, first)
			}
			if got, want := mustGit(t, dir, "diff-tree", "--name-status", "-r", first, second), "D\t3/b/bar\nM\t3/f/foo"; got != want {
				t.Errorf("second commit changes %q, want %q", got, want)
			}
			want, _ := r.IndexFile("3/f/foo")
			if got := mustGit(t, dir, "cat-file", "blob", "HEAD:3/f/foo") + "\n"; got != string(want) {
				t.Errorf("blob = %q, want %q", got, want)
			}
			if name == "checkout" {
				if got, _ := os.ReadFile(filepath.Join(dir, "3", "f", "foo")); string(got) != string(want) {
					t.Errorf("file = %q, want %q", got, want)
				}
				if got := mustGit(t, dir, "status", "--porcelain"); got != "" {
					t.Errorf("git status = %q", got)
				}
			}
			squashed, err := r.Squash(t.Context(), dir)
			if err != nil {
				t.Fatal(err)
			}
			if got := mustGit(t, dir, "rev-list", "--parents", "master"); got != squashed {
				t.Errorf("history after Squash = %q, want %s alone", got, squashed)
			}
			if got := mustGit(t, dir, "diff-tree", second, squashed); got != "" {
				t.Errorf("Squash changes %q", got)
			}
		})
	}
}

func commitIndex(t *testing.T, r *Registry, dir, message string) string {
	t.Helper()
	commit, err := r.CommitIndex(t.Context(), dir, message)
	if err != nil {
		t.Fatal(err)
	}
	return commit
}
