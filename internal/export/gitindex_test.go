package export

import (
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/indextest"
)

// Files are published byte for byte, also changes and removals, whatever the user's git
// configuration says; a killed git leaves no obstacle.
func TestPublishGit(t *testing.T) {
	home := t.TempDir()
	indextest.Git(t, home, "version")
	t.Setenv("HOME", home)
	t.Setenv("XDG_CONFIG_HOME", home)
	dir, repo := filepath.Join(t.TempDir(), "index"), filepath.Join(t.TempDir(), "index.git")
	write := func(name, content string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write(filepath.Join(home, "ignored"), "*\n")
	write(filepath.Join(home, ".gitconfig"), "[core]\n\tautocrlf = true\n\texcludesFile = "+filepath.Join(home, "ignored")+"\n[commit]\n\tgpgSign = true\n")

	lock, err := durable.Lock(filepath.Join(t.TempDir(), "lock"), durable.Self("test"))
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Release()
	serde, abc := filepath.Join(dir, "se/rd/serde"), filepath.Join(dir, "3/a/abc")
	for _, step := range []struct {
		name    string
		change  func()
		changed bool
		want    map[string]string
	}{
		{"first", func() { write(serde, "one\r\n") }, true, map[string]string{"se/rd/serde": "one\r\n"}},
		{"nothing new", func() {}, false, map[string]string{"se/rd/serde": "one\r\n"}},
		{"changed", func() { write(serde, "one\r\ntwo\n") }, true, map[string]string{"se/rd/serde": "one\r\ntwo\n"}},
		{"after a kill", func() {
			write(filepath.Join(repo, "index.lock"), "")
			write(filepath.Join(repo, "refs/heads/master.lock"), "")
			write(abc, "three\n")
			if err := os.Remove(serde); err != nil {
				t.Fatal(err)
			}
		}, true, map[string]string{"3/a/abc": "three\n"}},
	} {
		step.change()
		changed, err := publishGit(t.Context(), repo, dir, lock)
		if err != nil || changed != step.changed {
			t.Fatalf("%s: changed %v, %v", step.name, changed, err)
		}
		clone := filepath.Join(t.TempDir(), "clone")
		indextest.Git(t, home, "clone", "-q", dumb(t, repo), clone)
		if a, b := indextest.Git(t, clone, "rev-parse", "HEAD"), indextest.Git(t, repo, "rev-parse", "HEAD"); a != b {
			t.Errorf("%s: over HTTP there is %s, want %s", step.name, a, b)
		}
		got := map[string]string{}
		for _, path := range []string{"se/rd/serde", "3/a/abc"} {
			if out, err := exec.Command("git", "--git-dir", repo, "show", "HEAD:"+path).Output(); err == nil {
				got[path] = string(out)
			}
		}
		if diff := cmp.Diff(step.want, got); diff != "" {
			t.Errorf("%s: -want +got:\n%s", step.name, diff)
		}
	}
	if n := indextest.Git(t, repo, "rev-list", "--count", "HEAD"); n != "3" {
		t.Errorf("%s commits, want 3", n)
	}
}

// dumb serves a folder like any web server, and returns its URL.
func dumb(t *testing.T, dir string) string {
	t.Helper()
	s := httptest.NewServer(http.FileServer(http.Dir(dir)))
	t.Cleanup(s.Close)
	return s.URL
}
