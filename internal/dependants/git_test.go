package dependants

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/indextest"
)

// After another commit, only changed files are read: new, modified and removed ones.
func TestOtherCommit(t *testing.T) {
	indextest.NeedGit(t)
	dir := t.TempDir()
	git := func(args ...string) {
		t.Helper()
		cmd := exec.Command("git", append([]string{"-C", dir, "-c", "user.name=t", "-c", "user.email=t@example.com"}, args...)...)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %q: %v\n%s", args, err, out)
		}
	}
	git("init", "-q")
	put(t, dir, "serde", []string{"1.0.0"})
	put(t, dir, "stays", []string{"1.0.0", "serde"})
	put(t, dir, "Goes", []string{"1.0.0", "serde"})
	put(t, dir, "stops", []string{"1.0.0", "serde"})
	git("add", "-A")
	git("commit", "-qm", "one")
	w := NewWatch(Config{Dir: dir})
	var f follower
	look := func(want ...string) {
		t.Helper()
		if err := f.look(t.Context(), w); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, w.Graph().Of("serde", 0, 9)); diff != "" {
			t.Error(diff)
		}
	}
	look("Goes", "stays", "stops")
	first := w.Graph()
	builder := f.builder
	if err := os.Remove(filepath.Join(dir, filepath.FromSlash(crate.IndexPath("goes")))); err != nil {
		t.Fatal(err)
	}
	put(t, dir, "stops", []string{"1.0.0", "serde"}, []string{"1.1.0"})
	put(t, dir, "begins", []string{"1.0.0", "serde"})
	git("add", "-A")
	git("commit", "-qm", "two")
	look("begins", "stays")
	if f.builder != builder {
		t.Error("the whole index was read again")
	}
	if all, _ := first.Count("serde"); all != 3 {
		t.Errorf("what was handed out has changed: %d", all)
	}
	put(t, dir, "begins", []string{"2.0.0"})
	git("checkout", "-q", "--orphan", "squashed")
	git("add", "-A")
	git("commit", "-qm", "all")
	f.commit = "0123456789012345678901234567890123456789" // a commit that git no longer has
	look("stays")
}
