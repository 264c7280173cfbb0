package index

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/indextest"
)

func watchOf(t *testing.T, dir string) *Watch {
	t.Helper()
	w, err := openIndex(t, dir, nil).Watch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func wantMoved(t *testing.T, what string, w *Watch, want bool) {
	t.Helper()
	if got := w.Moved(); got != want {
		t.Errorf("%s: moved %v, want %v", what, got, want)
	}
}

// TestWatch: every way in which HEAD moves to another commit.
func TestWatch(t *testing.T) {
	for _, form := range []string{"checkout", "worktree", "bare", "detached", "packed", "line break"} {
		repo := indextest.CheckoutOf(t, smallTree())
		indextest.Git(t, repo, "commit", "-q", "--allow-empty", "-m", "another")
		dir := repo
		switch form {
		case "worktree":
			dir = filepath.Join(t.TempDir(), "wt")
			indextest.Git(t, repo, "worktree", "add", "-q", "-b", "side", dir)
		case "bare":
			dir = indextest.BareOf(t, repo)
		case "detached":
			indextest.Git(t, repo, "checkout", "-q", "--detach")
		case "packed":
			indextest.Git(t, repo, "pack-refs", "--all")
		case "line break":
			dir = filepath.Join(t.TempDir(), "a\nb")
			if err := os.Rename(repo, dir); err != nil { // Windows has no such names
				continue
			}
		}
		w := watchOf(t, dir)
		wantMoved(t, form+" at rest", w, false)
		indextest.Git(t, dir, "update-ref", "HEAD", "HEAD~1")
		wantMoved(t, form, w, true)
		wantMoved(t, form+", opened again", watchOf(t, dir), false)
	}
	repo := indextest.CheckoutOf(t, smallTree())
	indextest.Git(t, repo, "branch", "other")
	w := watchOf(t, repo)
	indextest.Git(t, repo, "symbolic-ref", "HEAD", "refs/heads/other")
	wantMoved(t, "another branch", w, true)
}

// TestWatchMissesNothing: HEAD had moved before it was watched.
func TestWatchMissesNothing(t *testing.T) {
	repo := indextest.CheckoutOf(t, smallTree())
	x := openIndex(t, repo, nil)
	indextest.Git(t, repo, "commit", "-q", "--allow-empty", "-m", "another")
	w, err := x.Watch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	wantMoved(t, "moved before", w, true)
}

func TestWatchFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "index")
	smallTree().Write(t, dir)
	w := watchOf(t, dir)
	indextest.Tree{"new": "x"}.Write(t, dir)
	wantMoved(t, "something in it changed", w, false)
	if err := os.Rename(dir, dir+".old"); err != nil {
		t.Fatal(err)
	}
	smallTree().Write(t, dir)
	wantMoved(t, "replaced", w, true)
}
