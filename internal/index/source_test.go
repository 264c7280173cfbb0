package index

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/git"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/indextest"
)

// smallTree has every kind of path, and names around "-", which sorts before
// the "/" that ends a folder.
func smallTree() indextest.Tree {
	tree := indextest.Tree{
		"config.json": `{"dl":"https://evil.example"}`, "README.md": "#", ".github/workflows/x.yml": "x", // A16
		"se/rd/serde~": "{}", "se/rd/.serde.swp": "\x00", "se/xx/serde": "{}", "se/rd/sub/file": "{}", "3/README": "x",
	}
	for _, name := range []string{"1", "a", "1-", "ab", "1-b", "abc", "1-bc", "a-bc", "ab-c", "ab-cd", "serde", "serde-json", "serde_json", "serdes"} {
		tree[pathOf(name)] = indextest.Line(name, "1.0.0", indextest.Sum("a")) + "\n" + indextest.Line(name, "2.0.0+x", indextest.Sum("b")) + "\n"
	}
	return tree
}

func pathOf(name string) string { c, _ := readOne(name, ""); return c.Path }

// TestSourcesAgree reads the same index in each of its forms.
func TestSourcesAgree(t *testing.T) {
	tree := smallTree()
	want := readIndex(t, openIndex(t, indextest.FolderOf(t, tree), nil), nil)
	if len(want) != 3*len(tree.Paths()) {
		t.Fatalf("the folder has %d lines, want %d", len(want), 3*len(tree.Paths()))
	}
	repo := indextest.CheckoutOf(t, tree)
	worktree := filepath.Join(t.TempDir(), "wt")
	indextest.Git(t, repo, "worktree", "add", "-q", "--detach", worktree) // A16: .git is a file
	unchecked := filepath.Join(t.TempDir(), "nc")
	indextest.Git(t, repo, "clone", "-q", "--no-checkout", repo, unchecked)
	commit := indextest.Git(t, repo, "rev-parse", "HEAD")
	for name, dir := range map[string]string{
		"checkout": repo, "worktree": worktree, "not checked out": unchecked,
		"bare": indextest.BareOf(t, repo), "shallow": indextest.BareOf(t, repo, "--depth=1"), "the .git folder": filepath.Join(repo, ".git"),
	} {
		x := openIndex(t, dir, nil)
		if diff := cmp.Diff(want, readIndex(t, x, nil)); diff != "" {
			t.Errorf("%s: -folder +%[1]s\n%s", name, diff)
		}
		if x.Commit() != commit || !x.CommitTime().Equal(time.Unix(1700000000, 0)) {
			t.Errorf("%s: commit %s of %v", name, x.Commit(), x.CommitTime())
		}
		if again := readIndex(t, x, nil); !slices.Equal(again, want) {
			t.Errorf("%s: the second reading differs", name)
		}
	}
}

func TestBlobIsGits(t *testing.T) {
	repo := indextest.CheckoutOf(t, smallTree())
	want := indextest.Git(t, repo, "rev-parse", "HEAD:se/rd/serde")
	for c, err := range openIndex(t, indextest.FolderOf(t, smallTree()), nil).Crates(t.Context(), nil) {
		if err != nil {
			t.Fatal(err)
		}
		if c.Path == "se/rd/serde" && c.Blob.String() != want {
			t.Errorf("blob %s, git says %s", c.Blob, want)
		}
	}
}

func TestWant(t *testing.T) {
	tree := smallTree()
	repo := indextest.CheckoutOf(t, tree)
	for name, dir := range map[string]string{"checkout": repo, "bare": indextest.BareOf(t, repo), "folder": indextest.FolderOf(t, tree)} {
		var asked []string
		got := readIndex(t, openIndex(t, dir, nil), func(f File) bool {
			asked = append(asked, f.Path)
			if (f.Blob == Blob{}) != (name == "folder") {
				t.Errorf("%s: %s has blob %s", name, f.Path, f.Blob)
			}
			return f.Path == "3/a/abc" || f.Path == "se/rd/serde"
		})
		if diff := cmp.Diff(tree.Paths(), asked); diff != "" {
			t.Errorf("%s: -paths +asked\n%s", name, diff)
		}
		if len(got) != 6 || !strings.HasPrefix(got[0], "3/a/abc ") || !strings.HasPrefix(got[3], "se/rd/serde ") {
			t.Errorf("%s: got %q", name, got)
		}
	}
}

// TestA15NotRegular: what is no regular file is reported, not followed, and
// never waited for.
func TestA15NotRegular(t *testing.T) {
	dir := indextest.FolderOf(t, indextest.Tree{"se/rd/serde": indextest.Line("serde", "1.0.0", indextest.Sum("a")), "elsewhere/x": "x"})
	for link, to := range map[string]string{
		"se/rd/serde-link": "serde", "se/rd/serde-out": "/etc/passwd", "to": "se", "se/ti": "/etc", "README": "config.json",
	} {
		if err := os.Symlink(to, filepath.Join(dir, link)); err != nil {
			t.Skip(err)
		}
	}
	want := []string{
		"se/rd/serde-link: not a regular file but L---------",
		"se/rd/serde-out: not a regular file but L---------",
		"se/ti: not a regular file but L---------",
		"to: not a regular file but L---------",
	}
	if makeFIFO(t, filepath.Join(dir, "se/rd/serde-fifo")) {
		want = slices.Insert(want, 0, "se/rd/serde-fifo: not a regular file but p---------")
	}
	got := readIndex(t, openIndex(t, dir, nil), nil)
	if diff := cmp.Diff(want, got[2:]); diff != "" || !strings.HasPrefix(got[0], "se/rd/serde ") {
		t.Errorf("folder: -want +got\n%s", diff)
	}

	indextest.Git(t, dir, "init", "-q")
	indextest.Git(t, dir, "add", "se/rd/serde", "se/rd/serde-link", "se/rd/serde-out", "se/ti", "to", "README")
	indextest.Git(t, dir, "commit", "-q", "-m", "links")
	want = []string{
		"se/rd/serde-link: not a regular file, git mode 120000",
		"se/rd/serde-out: not a regular file, git mode 120000",
		"se/ti: not a regular file, git mode 120000",
		"to: not a regular file, git mode 120000",
	}
	for _, dir := range []string{dir, indextest.BareOf(t, dir)} {
		got := readIndex(t, openIndex(t, dir, nil), nil)
		if diff := cmp.Diff(want, got[2:]); diff != "" {
			t.Errorf("%s: -want +got\n%s", dir, diff)
		}
	}
}

// TestA15WorkingTreeDeviates: in a checkout a FIFO or link where the commit
// has a file is read from git.
func TestA15WorkingTreeDeviates(t *testing.T) {
	repo := indextest.CheckoutOf(t, smallTree())
	want := readIndex(t, openIndex(t, repo, nil), nil)
	for _, p := range []string{"se/rd/serde", "3/a/abc", "1/a"} {
		if err := os.Remove(filepath.Join(repo, p)); err != nil {
			t.Fatal(err)
		}
	}
	makeFIFO(t, filepath.Join(repo, "se/rd/serde"))
	if err := os.Symlink("/dev/zero", filepath.Join(repo, "3/a/abc")); err != nil {
		t.Log(err)
	}
	if err := os.Mkdir(filepath.Join(repo, "1/a"), 0o755); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, readIndex(t, openIndex(t, repo, nil), nil)); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

func TestA15UnreadableFolder(t *testing.T) {
	dir := indextest.FolderOf(t, smallTree())
	closed := filepath.Join(dir, "se", "rd")
	if err := os.Chmod(closed, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Chmod(closed, 0o755) })
	if _, err := os.ReadDir(closed); err == nil {
		t.Skip("this user may read everything")
	}
	got := readIndex(t, openIndex(t, dir, nil), nil)
	if last := got[len(got)-1]; !strings.HasPrefix(last, "se/rd: ") || !strings.Contains(last, "permission denied") {
		t.Errorf("last: %s", last)
	}
}

func TestA12LargeFileCostsItself(t *testing.T) {
	dir := indextest.FolderOf(t, smallTree())
	if err := os.Truncate(filepath.Join(dir, "3/a/abc"), MaxFile+1); err != nil {
		t.Skip(err)
	}
	got := readIndex(t, openIndex(t, dir, nil), nil)
	want := fmt.Sprintf("3/a/abc: file has %d bytes, want at most %d", MaxFile+1, MaxFile)
	if !slices.Contains(got, want) || len(got) != 3*len(smallTree().Paths())-2 {
		t.Errorf("got %d lines, want one %s", len(got), want)
	}
}

// TestA19PinnedToCommit: what happens to a checkout after it was opened, or is in it
// uncommitted, is not read.
func TestA19PinnedToCommit(t *testing.T) {
	repo := indextest.CheckoutOf(t, smallTree())
	want := readIndex(t, openIndex(t, repo, nil), nil)
	var log bytes.Buffer
	x := openIndex(t, repo, &log)
	bareRepo := indextest.BareOf(t, repo)
	bare := openIndex(t, bareRepo, nil)

	later := smallTree()
	later["se/rd/serde"] += indextest.Line("serde", "3.0.0", indextest.Sum("c")) + "\n"
	later["ne/w-/new-crate"] = indextest.Line("new-crate", "1.0.0", indextest.Sum("c")) + "\n"
	delete(later, "1/a")
	later.Write(t, repo)
	os.Remove(filepath.Join(repo, "1", "a"))
	if diff := cmp.Diff(want, readIndex(t, x, nil)); diff != "" {
		t.Errorf("uncommitted changes are read: -want +got\n%s", diff)
	}
	if got := log.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "level=WARN") || !strings.Contains(got, "first=1/a") {
		t.Errorf("log: %s", got)
	}
	indextest.Git(t, repo, "add", "-A")
	indextest.Git(t, repo, "commit", "-q", "-m", "later")
	indextest.Git(t, repo, "push", "-q", bareRepo, "HEAD")
	for name, x := range map[string]*Index{"checkout": x, "bare": bare} {
		if diff := cmp.Diff(want, readIndex(t, x, nil)); diff != "" {
			t.Errorf("%s: a later commit is read: -want +got\n%s", name, diff)
		}
	}
	if got := readIndex(t, openIndex(t, bareRepo, nil), nil); len(got) != len(want)+1-3+2 {
		t.Errorf("opened again, it has %d lines", len(got))
	}
}

// TestA19WhileRewritten reads a checkout while its files are rewritten.
func TestA19WhileRewritten(t *testing.T) {
	repo := indextest.CheckoutOf(t, smallTree())
	want := readIndex(t, openIndex(t, repo, nil), nil)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for n := 0; ctx.Err() == nil; n++ {
			for p := range smallTree() {
				os.WriteFile(filepath.Join(repo, p), bytes.Repeat([]byte("x\n"), n%500), 0o644)
			}
		}
	}()
	defer func() { cancel(); <-done }()
	for range 5 {
		if diff := cmp.Diff(want, readIndex(t, openIndex(t, repo, nil), nil)); diff != "" {
			t.Fatalf("-want +got\n%s", diff)
		}
	}
}

// TestMissingBlob: a partial clone costs what it lacks.
func TestMissingBlob(t *testing.T) {
	repo := indextest.CheckoutOf(t, smallTree())
	whole := readIndex(t, openIndex(t, repo, nil), nil)
	bare := filepath.Join(repo, ".git")
	blob := indextest.Git(t, repo, "rev-parse", "HEAD:3/a/abc")
	os.Remove(filepath.Join(repo, "3/a/abc"))
	if err := os.Remove(filepath.Join(bare, "objects", blob[:2], blob[2:])); err != nil {
		t.Fatal(err)
	}
	i := slices.Index(whole, "3/a/abc "+blob)
	want := slices.Replace(slices.Clone(whole), i, i+3, "3/a/abc: "+errMissing.Error())
	for _, dir := range []string{repo, bare} {
		if diff := cmp.Diff(want, readIndex(t, openIndex(t, dir, nil), nil)); diff != "" {
			t.Errorf("%s: -want +got\n%s", dir, diff)
		}
		// Not wanted, it is not missed.
		got := readIndex(t, openIndex(t, dir, nil), func(f File) bool { return f.Path != "3/a/abc" })
		if len(got) != len(whole)-3 {
			t.Errorf("%s: without it there are %d lines", dir, len(got))
		}
		// Looked up, it is known to be there, unlike one that is not.
		l := openIndex(t, dir, nil).NewLookup(t.Context())
		if cr, err := l.Crate(t.Context(), "abc"); err != nil || !errors.Is(cr.Err, errMissing) {
			t.Errorf("%s: looked up: %+v, %v", dir, cr, err)
		}
		for _, name := range []string{"abd", "zz", "xyz", "a"} {
			if cr, err := l.Crate(t.Context(), name); (name == "a") != (err == nil) || err != nil && !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s: then %s: %+v, %v", dir, name, cr, err)
			}
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestReplacedBlob: a replace reference does not change what a commit says.
func TestReplacedBlob(t *testing.T) {
	repo := indextest.CheckoutOf(t, smallTree())
	want := readIndex(t, openIndex(t, repo, nil), nil)
	indextest.Git(t, repo, "replace", "HEAD:se/rd/serde", "HEAD:3/a/abc")
	if diff := cmp.Diff(want, readIndex(t, openIndex(t, filepath.Join(repo, ".git"), nil), nil)); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

func TestA22LongPaths(t *testing.T) {
	name := strings.Repeat("n", 64)
	dir := filepath.Join(t.TempDir(), strings.Repeat("d", 100), strings.Repeat("e", 100))
	indextest.Tree{pathOf(name): indextest.Line(name, "1.0.0-"+strings.Repeat("9a", 70), indextest.Sum("a"))}.Write(t, dir)
	got := readIndex(t, openIndex(t, dir, nil), nil)
	if len(got) != 2 || !strings.Contains(got[1], name) {
		t.Error(got)
	}
}

func TestUnbornHead(t *testing.T) {
	dir := indextest.FolderOf(t, smallTree())
	indextest.Git(t, dir, "init", "-q")
	var log bytes.Buffer
	x := openIndex(t, dir, &log)
	if got := readIndex(t, x, nil); len(got) != 3*len(smallTree().Paths()) || x.Commit() != "" {
		t.Errorf("%d lines, commit %q", len(got), x.Commit())
	}
	if !strings.Contains(log.String(), git.ErrUnborn.Error()) {
		t.Errorf("log: %s", log.String())
	}
	_, err := Open(t.Context(), filepath.Join(dir, ".git"), Options{})
	if !errors.Is(err, git.ErrUnborn) {
		t.Errorf("the repository without its working tree: %v", err)
	}
}

func TestWithoutGit(t *testing.T) {
	repo := indextest.CheckoutOf(t, smallTree())
	bare := indextest.BareOf(t, repo)
	t.Setenv("PATH", t.TempDir())
	var log bytes.Buffer
	x := openIndex(t, repo, &log)
	if got := readIndex(t, x, nil); len(got) != 3*len(smallTree().Paths()) || x.Commit() != "" {
		t.Errorf("%d lines, commit %q", len(got), x.Commit())
	}
	if !strings.Contains(log.String(), "level=WARN") || !strings.Contains(log.String(), git.ErrNone.Error()) {
		t.Errorf("log: %s", log.String())
	}
	_, err := Open(t.Context(), bare, Options{})
	if err == nil || !strings.Contains(err.Error(), "install it from https://git-scm.com") {
		t.Errorf("bare repository: %v", err)
	}
}

func TestOpenErrors(t *testing.T) {
	if _, err := Open(t.Context(), filepath.Join(t.TempDir(), "none"), Options{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("nothing there: %v", err)
	}
	broken := indextest.FolderOf(t, indextest.Tree{".git": "gitdir: elsewhere\n"})
	indextest.Git(t, broken, "--version")
	if _, err := Open(t.Context(), broken, Options{}); err == nil || !strings.Contains(err.Error(), "not a git repository") {
		t.Errorf(".git that leads nowhere: %v", err)
	}
	sha256 := t.TempDir()
	indextest.Git(t, sha256, "init", "-q", "--object-format=sha256")
	indextest.Git(t, sha256, "commit", "-q", "--allow-empty", "-m", "x")
	if _, err := Open(t.Context(), sha256, Options{}); err == nil || !strings.Contains(err.Error(), "only repositories with SHA-1 ids") {
		t.Errorf("SHA-256 repository: %v", err)
	}
}

// TestGitEnvironment: variables for another repository (as in a hook) and the
// ownership check do not come between.
func TestGitEnvironment(t *testing.T) {
	repo := indextest.CheckoutOf(t, smallTree())
	want := readIndex(t, openIndex(t, repo, nil), nil)
	if os.Getuid() == 0 {
		if err := os.Chown(filepath.Join(repo, ".git"), 65534, 65534); err != nil {
			t.Log(err)
		}
	}
	for _, name := range []string{"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY"} {
		t.Setenv(name, t.TempDir())
	}
	for _, dir := range []string{repo, filepath.Join(repo, ".git")} {
		if diff := cmp.Diff(want, readIndex(t, openIndex(t, dir, nil), nil)); diff != "" {
			t.Errorf("%s: -want +got\n%s", dir, diff)
		}
	}
}

func makeFIFO(t *testing.T, name string) bool {
	t.Helper()
	if err := mkfifo(name); err != nil {
		t.Log(err)
		return false
	}
	return true
}

// TestA24NamesThatCannotBeMirrored: a crate that cargo finds and we refuse is told
// of in every form of an index, not left out.
func TestA24NamesThatCannotBeMirrored(t *testing.T) {
	long := strings.Repeat("n", 101)
	tree := indextest.Tree{"config.json": "{}", pathOf("abcd"): indextest.Line("abcd", "1.0.0", indextest.Sum("a"))}
	for _, name := range []string{long, "-abc", "äöüß"} {
		tree[crate.IndexPath(name)] = indextest.Line(name, "1.0.0", indextest.Sum("a"))
	}
	repo := indextest.CheckoutOf(t, tree)
	for name, dir := range map[string]string{"folder": indextest.FolderOf(t, tree), "checkout": repo, "bare": indextest.BareOf(t, repo)} {
		entries, refused := 0, map[string]string{}
		for c, err := range openIndex(t, dir, nil).Crates(t.Context(), nil) {
			if err != nil {
				t.Fatal(err)
			}
			entries += len(c.Entries)
			if errors.Is(c.Err, ErrName) {
				refused[c.Path] = c.Err.Error()
			}
		}
		want := map[string]string{
			"-a/bc/-abc": `cannot be mirrored: crate name "-abc" starts with '-'`,
			"ä/ö/äöüß":   `cannot be mirrored: crate name "äöüß" has a character outside [A-Za-z0-9_-]`,
			pathOf(long): `cannot be mirrored: crate name "` + long[:80] + `"... has 101 bytes, want 1 to 100`,
		}
		if diff := cmp.Diff(want, refused); diff != "" || entries != 1 {
			t.Errorf("%s: %d entries; -want +got\n%s", name, entries, diff)
		}
	}
}
