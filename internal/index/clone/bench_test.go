package clone

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// BenchmarkUpdate follows a copy of an index: the first clone, a round with
// nothing new, one with a new commit, and one with all history squashed.
//
//	CLONECRATESIO_INDEX=~/crates.io-index go test -run - -bench Update -benchtime 1x ./internal/index/clone
func BenchmarkUpdate(b *testing.B) {
	dir := os.Getenv("CLONECRATESIO_INDEX")
	if dir == "" {
		b.Skip("CLONECRATESIO_INDEX names no index to follow")
	}
	up, index := filepath.Join(b.TempDir(), "up.git"), filepath.Join(b.TempDir(), "index")
	run := func(args ...string) string {
		cmd := exec.Command("git", args...)
		cmd.Env = append(os.Environ(), "GIT_AUTHOR_NAME=b", "GIT_AUTHOR_EMAIL=b@example.com", "GIT_COMMITTER_NAME=b", "GIT_COMMITTER_EMAIL=b@example.com")
		out, err := cmd.CombinedOutput()
		if err != nil {
			b.Fatalf("git %v: %v: %s", args, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	run("clone", "-q", "--bare", "--depth=1", "file://"+dir, up)
	commit := func(parent ...string) {
		args := append([]string{"--git-dir", up, "commit-tree", "HEAD^{tree}", "-m", "b"}, parent...)
		run("--git-dir", up, "update-ref", "HEAD", run(args...))
	}
	for _, step := range []struct {
		name   string
		before func()
	}{
		{"clone", func() { os.RemoveAll(index) }},
		{"nothing new", func() {}},
		{"commit", func() { commit("-p", "HEAD") }},
		{"squash", func() { commit() }},
	} {
		b.Run(step.name, func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				step.before()
				b.StartTimer()
				if _, err := Update(b.Context(), Config{Dir: index, URL: up}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
