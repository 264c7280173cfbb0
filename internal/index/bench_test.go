package index

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// BenchmarkIndex reads a whole index, given by its directory:
//
//	CLONECRATESIO_INDEX=~/crates.io-index go test -run - -bench Index -benchtime 3x ./internal/index
func BenchmarkIndex(b *testing.B) {
	dir := os.Getenv("CLONECRATESIO_INDEX")
	if dir == "" {
		b.Skip("CLONECRATESIO_INDEX names no index to read")
	}
	b.Run("all", func(b *testing.B) { benchmarkIndex(b, dir, nil) })
	b.Run("none", func(b *testing.B) { benchmarkIndex(b, dir, func(File) bool { return false }) })
}

// BenchmarkUpdate follows a copy of an index: the first clone, a round with
// nothing new, one with a new commit, and one with all history squashed.
//
//	CLONECRATESIO_INDEX=~/crates.io-index go test -run - -bench Update -benchtime 1x ./internal/index
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
				if _, err := Update(b.Context(), UpdateConfig{Dir: index, URL: up}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func benchmarkIndex(b *testing.B, dir string, want func(File) bool) {
	x, err := Open(b.Context(), dir, Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer x.Close()
	var crates, versions, yanked, bad, unread, size int
	for b.Loop() {
		crates, versions, yanked, bad, unread, size = 0, 0, 0, 0, 0, 0
		for c, err := range x.Crates(b.Context(), want) {
			if err != nil {
				b.Fatal(err)
			}
			crates++
			versions += len(c.Entries)
			bad += len(c.Bad)
			for _, e := range c.Bad {
				b.Log(e)
			}
			if c.Err != nil {
				unread++
			}
			for i := range c.Entries {
				size += len(c.Entries[i].Raw) + 1
				if c.Entries[i].Yanked {
					yanked++
				}
			}
		}
	}
	b.SetBytes(int64(size))
	b.Logf("%d crates, %d versions, %d yanked, %d bad lines, %d files unread, %d bytes, peak memory without git's: %s",
		crates, versions, yanked, bad, unread, size, peakMemory())
}

// peakMemory returns this process' own peak of resident memory.
func peakMemory() string {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return "unknown on this system"
	}
	return string(regexp.MustCompile(`VmHWM:\s*(.*)`).FindSubmatch(status)[1])
}
