package clone

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/indextest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/simreg"
)

// everything is the content of every file below a folder.
// project makes a repository with a commit, and with work that is not committed.
func project(t *testing.T, dir string, files indextest.Tree) {
	t.Helper()
	indextest.Git(t, t.TempDir(), "init", "-q", dir)
	files.Write(t, dir)
	indextest.Git(t, dir, "add", "-A")
	indextest.Git(t, dir, "commit", "-q", "-m", "mine")
	indextest.WriteFile(t, filepath.Join(dir, "main.rs"), "fn main() { a_day_of_work() }")
}

// TestA23ForeignRepository: an update does not touch a repository unless a mark or a
// proof shows that it is a copy of the index.
func TestA23ForeignRepository(t *testing.T) {
	registry := indextest.Tree{"config.json": `{"dl":"https://registry.example/crates"}`, "se/rd/serde": indextest.Line("serde", "9.0.0", indextest.Sum("9")) + "\n"}
	clone := func(t *testing.T, u *upstream, options ...string) {
		indextest.Git(t, t.TempDir(), append(append([]string{"clone", "-q"}, options...), "file://"+u.Git, u.dir)...)
	}
	commit := func(t *testing.T, u *upstream) {
		indextest.WriteFile(t, filepath.Join(u.dir, "mine"), "x")
		indextest.Git(t, u.dir, "add", "-A")
		indextest.Git(t, u.dir, "commit", "-q", "-m", "mine")
	}
	const url = true
	repositories := map[string]struct {
		make func(t *testing.T, u *upstream)
		url  bool // upstream's is asked for
		want string
	}{
		"a project": {func(t *testing.T, u *upstream) { project(t, u.dir, indextest.Tree{"main.rs": "fn main() {}"}) }, url,
			"it has no remote, so it was not cloned from "},
		"a project, no URL": {func(t *testing.T, u *upstream) { project(t, u.dir, indextest.Tree{"main.rs": "fn main() {}"}) }, !url,
			`it has no remote "origin" that says where it was cloned from`},
		"a project's clone": {func(t *testing.T, u *upstream) {
			indextest.Git(t, t.TempDir(), "clone", "-q", indextest.CheckoutOf(t, indextest.Tree{"main.rs": "fn main() {}"}), u.dir)
		}, !url, `it is no index of crates: it has no config.json with a "dl"`},
		"a project with a config.json": {func(t *testing.T, u *upstream) {
			indextest.Git(t, t.TempDir(), "clone", "-q", indextest.CheckoutOf(t, indextest.Tree{"config.json": `{"port":80}`}), u.dir)
		}, !url, `it is no index of crates`},
		"a project without commits": {func(t *testing.T, u *upstream) {
			indextest.Git(t, t.TempDir(), "init", "-q", u.dir)
			indextest.Git(t, u.dir, "remote", "add", "origin", "file://"+u.Git)
			indextest.WriteFile(t, filepath.Join(u.dir, "main.rs"), "fn main() {}")
		}, url, `its HEAD names no commit, but there is "main.rs"`},
		"an orphan branch": {func(t *testing.T, u *upstream) {
			clone(t, u)
			indextest.Git(t, u.dir, "checkout", "-q", "--orphan", "mine")
		}, url, "its HEAD names no commit, but there is refs/heads/"},
		"a registry":         {func(t *testing.T, u *upstream) { project(t, u.dir, registry) }, !url, `it has no remote "origin"`},
		"a registry and URL": {func(t *testing.T, u *upstream) { project(t, u.dir, registry) }, url, "it has no remote, so"},
		"a registry, bare": {func(t *testing.T, u *upstream) {
			indextest.Git(t, t.TempDir(), "clone", "-q", "--bare", indextest.CheckoutOf(t, registry), u.dir)
			indextest.Git(t, u.dir, "remote", "remove", "origin")
		}, url, "it has no remote, so"},
		"a registry's clone": {func(t *testing.T, u *upstream) {
			indextest.Git(t, t.TempDir(), "clone", "-q", "file://"+indextest.CheckoutOf(t, registry), u.dir)
		}, url, "it was cloned from file:///"},
		"a registry's bare clone": {func(t *testing.T, u *upstream) {
			indextest.Git(t, t.TempDir(), "clone", "-q", "--bare", "--depth=1", "file://"+indextest.CheckoutOf(t, registry), u.dir)
		}, url, "it was cloned from file:///"},
		"a commit": {func(t *testing.T, u *upstream) { clone(t, u); commit(t, u) }, url, "HEAD has commits that upstream never had"},
		"a commit on a branch": {func(t *testing.T, u *upstream) {
			clone(t, u, "--depth=1")
			indextest.Git(t, u.dir, "checkout", "-q", "-b", "mine")
			commit(t, u)
		}, !url, "HEAD has commits that upstream never had"},
		"a commit, detached": {func(t *testing.T, u *upstream) {
			clone(t, u)
			indextest.Git(t, u.dir, "checkout", "-q", "--detach")
			commit(t, u)
		}, url, "HEAD has commits that upstream never had"},
		"a commit that another remote has": {func(t *testing.T, u *upstream) {
			clone(t, u)
			indextest.Git(t, u.dir, "remote", "add", "mine", indextest.CheckoutOf(t, registry))
			indextest.Git(t, u.dir, "fetch", "-q", "mine")
			indextest.Git(t, u.dir, "reset", "-q", "--hard", "FETCH_HEAD")
		}, url, "HEAD has commits that upstream never had"},
		"an edit": {func(t *testing.T, u *upstream) {
			clone(t, u)
			indextest.WriteFile(t, filepath.Join(u.dir, "3/f/foo"), "mine")
		}, url, `"3/f/foo" was changed and not committed`},
		"an edit that is staged": {func(t *testing.T, u *upstream) {
			clone(t, u)
			indextest.WriteFile(t, filepath.Join(u.dir, "mine"), "mine")
			indextest.Git(t, u.dir, "add", "mine")
		}, url, `"mine" was changed and not committed`},
		"a linked worktree": {func(t *testing.T, u *upstream) {
			main := filepath.Join(t.TempDir(), "main")
			indextest.Git(t, t.TempDir(), "clone", "-q", "file://"+u.Git, main)
			indextest.Git(t, main, "worktree", "add", "-q", u.dir)
		}, url, "its .git is a file"},
		"a submodule": {func(t *testing.T, u *upstream) {
			super := filepath.Dir(u.dir)
			indextest.Git(t, t.TempDir(), "init", "-q", super)
			indextest.Git(t, super, "submodule", "--quiet", "add", "file://"+u.Git, "index")
		}, url, "its .git is a file"},
		"a git directory": {func(t *testing.T, u *upstream) {
			clone(t, u)
			u.dir = filepath.Join(u.dir, ".git")
		}, url, "it is the git directory of a working tree elsewhere"},
		"files elsewhere": {func(t *testing.T, u *upstream) {
			elsewhere := filepath.Join(t.TempDir(), "elsewhere")
			indextest.WriteFile(t, filepath.Join(elsewhere, "3/f/foo"), "mine")
			clone(t, u)
			indextest.Git(t, u.dir, "config", "core.worktree", elsewhere)
		}, url, "(core.worktree)"},
		"a broken repository within another": {func(t *testing.T, u *upstream) {
			project(t, filepath.Dir(u.dir), indextest.Tree{"main.rs": "fn main() {}"})
			indextest.WriteFile(t, filepath.Join(u.dir, ".git", "HEAD"), "ref: refs/heads/master\n")
		}, url, "not a git repository"},
	}
	for _, name := range durabletest.Sample(8, slices.Sorted(maps.Keys(repositories))) {
		test := repositories[name]
		t.Run(name, func(t *testing.T) {
			u := newUpstream(t, "foo 1.0.0\nserde 1.0.0")
			u.Commit()
			test.make(t, u)
			u.Reg.Add(simreg.MustParse("foo 1.1.0")...)
			u.Commit()
			t.Setenv("HOME", t.TempDir())
			before := everything(t, filepath.Dir(u.dir))
			up, err := u.update(func(cfg *Config) {
				if !test.url {
					cfg.URL = ""
				}
			})
			if err == nil || !strings.Contains(err.Error(), test.want) || up.Changed() {
				t.Errorf("%+v, error %v, want %q", up, err, test.want)
			}
			after := everything(t, filepath.Dir(u.dir))
			delete(after, filepath.Join(filepath.Dir(u.dir), "."+filepath.Base(u.dir)+".lock"))
			if diff := cmp.Diff(before, after); diff != "" {
				t.Errorf("something was touched (-before +after):\n%s", diff)
			}
		})
	}
}

// Without remote-tracking branches, it takes fetching to know upstream's commits;
// and what is in the way, only upstream's commit tells.
func TestA23ForeignWhenFetched(t *testing.T) {
	for name, test := range map[string]struct {
		make func(t *testing.T, u *upstream)
		want string
	}{
		"a bare clone with a commit": {func(t *testing.T, u *upstream) {
			indextest.Git(t, t.TempDir(), "clone", "-q", "--bare", "file://"+u.Git, u.dir)
			indextest.Git(t, u.dir, "update-ref", "HEAD", indextest.Git(t, u.dir, "commit-tree", "-p", "HEAD", "-m", "mine", "HEAD^{tree}"))
		}, "HEAD has commits that upstream never had"},
		"a file that git does not know": {func(t *testing.T, u *upstream) {
			indextest.Git(t, t.TempDir(), "clone", "-q", "file://"+u.Git, u.dir)
			indextest.WriteFile(t, filepath.Join(u.dir, "3/n/new"), "mine")
			indextest.WriteFile(t, filepath.Join(u.dir, ".git/info/exclude"), "new\n")
		}, `"3/n/new" would be overwritten, and is in no commit`},
		"a file where a folder will be": {func(t *testing.T, u *upstream) {
			indextest.Git(t, t.TempDir(), "clone", "-q", "file://"+u.Git, u.dir)
			indextest.WriteFile(t, filepath.Join(u.dir, "3/n"), "mine")
		}, `"3/n" would be overwritten, and is in no commit`},
	} {
		t.Run(name, func(t *testing.T) {
			u := newUpstream(t, "foo 1.0.0")
			test.make(t, u)
			u.Reg.Add(simreg.MustParse("new 1.0.0")...)
			u.Commit()
			head, refs, status := indextest.Git(t, u.dir, "rev-parse", "HEAD"), indextest.Git(t, u.dir, "show-ref", "--heads"), ""
			if _, err := os.Stat(filepath.Join(u.dir, ".git")); err == nil {
				status = indextest.Git(t, u.dir, "status", "--porcelain")
			}
			if up, err := u.update(nil); err == nil || !strings.Contains(err.Error(), test.want) || up.Changed() {
				t.Fatalf("%+v, error %v, want %q", up, err, test.want)
			}
			if head != indextest.Git(t, u.dir, "rev-parse", "HEAD") || refs != indextest.Git(t, u.dir, "show-ref", "--heads") {
				t.Error("the branch moved")
			}
			if status != "" && status != indextest.Git(t, u.dir, "status", "--porcelain") {
				t.Error("the working tree changed")
			}
			// The owner says that it is all right.
			indextest.Git(t, u.dir, "config", mark, "true")
			if strings.HasPrefix(test.want, "HEAD") {
				indextest.Git(t, u.dir, "branch", "mine")
			}
			u.mustUpdate(nil)
			u.wantSame()
		})
	}
}

// What leads git elsewhere does not lead an update there.
func TestA23Environment(t *testing.T) {
	u := newUpstream(t, "foo 1.0.0")
	mine := filepath.Join(t.TempDir(), "mine")
	project(t, mine, indextest.Tree{"main.rs": "fn main() {}"})
	before := everything(t, mine)
	t.Setenv("GIT_DIR", filepath.Join(mine, ".git"))
	t.Setenv("GIT_WORK_TREE", mine)
	t.Setenv("GIT_INDEX_FILE", filepath.Join(mine, ".git", "index"))
	t.Setenv("GIT_OBJECT_DIRECTORY", filepath.Join(mine, ".git", "objects"))
	t.Setenv("GIT_CONFIG_COUNT", "1")
	t.Setenv("GIT_CONFIG_KEY_0", mark)
	t.Setenv("GIT_CONFIG_VALUE_0", "true")
	for range 2 {
		u.mustUpdate(func(cfg *Config) { cfg.Checkout = true })
		u.wantSame()
		u.Commit()
	}
	if diff := cmp.Diff(before, everything(t, mine)); diff != "" {
		t.Errorf("the project that the environment names (-before +after):\n%s", diff)
	}
	if err := os.Rename(mine, filepath.Join(filepath.Dir(mine), "project")); err != nil {
		t.Fatal(err)
	}
	if _, err := Update(t.Context(), Config{Dir: filepath.Join(filepath.Dir(mine), "project"), URL: u.Git}); !errors.As(err, new(*ForeignError)) {
		t.Errorf("with a mark in the environment alone: %v", err)
	}
}

// TestA23ProvedRepositories: clones that others made of the index are followed, and
// marked with the first move.
func TestA23ProvedRepositories(t *testing.T) {
	clones := map[string][]string{
		"v1.1.0":             nil,
		"v1.1.0, shallow":    {"--depth=1"},
		"bare":               {"--bare"},
		"bare and shallow":   {"--bare", "--depth=1"},
		"with another name":  {"--origin=crates-io"},
		"cut off":            {"--no-checkout"},
		"without a checkout": {"--no-checkout", "--depth=1"},
	}
	for _, name := range durabletest.Sample(3, slices.Sorted(maps.Keys(clones))) {
		options := clones[name]
		t.Run(name, func(t *testing.T) {
			u := newUpstream(t, "foo 1.0.0\nbar 1.0.0")
			u.Commit()
			indextest.Git(t, t.TempDir(), append(append([]string{"clone", "-q"}, options...), "file://"+u.Git, u.dir)...)
			if name == "v1.1.0" {
				if err := os.Remove(filepath.Join(u.dir, "3/b/bar")); err != nil { // comes back
					t.Fatal(err)
				}
			}
			u.Reg.Add(simreg.MustParse("foo 1.1.0")...)
			if strings.Contains(name, "shallow") || strings.HasPrefix(name, "v1.1.0") {
				u.Squash()
			} else {
				u.Commit()
			}
			u.Git = strings.TrimSuffix(u.Git, ".git") // another way to write it
			if err := os.Rename(u.Git+".git", u.Git); err != nil {
				t.Fatal(err)
			}
			u.mustUpdate(nil)
			u.wantSame()
			if got := indextest.Git(t, u.dir, "config", mark); got != "true" {
				t.Errorf("the mark is %q", got)
			}
			u.Reg.Add(simreg.MustParse("foo 1.2.0")...)
			u.Squash()
			u.mustUpdate(nil)
			u.wantSame()
		})
	}
	// A clone of crates.io's index may follow a mirror of it.
	u := newUpstream(t, "foo 1.0.0")
	indextest.Git(t, t.TempDir(), "clone", "-q", "file://"+u.Git, u.dir)
	indextest.Git(t, u.dir, "remote", "set-url", "origin", index.DefaultURL+".git")
	u.Commit()
	u.mustUpdate(nil)
	u.wantSame()
}

// TestA23MovedAside: what a user left in a checkout of ours is not lost.
func TestA23MovedAside(t *testing.T) {
	u := newUpstream(t, "foo 1.0.0\nbar 1.0.0")
	kinds["checkout"](t, u)
	indextest.WriteFile(t, filepath.Join(u.dir, "3/f/foo"), "edited")
	indextest.WriteFile(t, filepath.Join(u.dir, "3/n/new"), "not known")
	indextest.WriteFile(t, filepath.Join(u.dir, "notes"), "not in the way")
	u.Reg.Add(simreg.MustParse("new 1.0.0")...)
	u.Commit()
	u.mustUpdate(nil)
	u.wantSame()
	var got []string
	for file, content := range everything(t, filepath.Join(u.dir, ".git", aside)) {
		got = append(got, filepath.Base(file)+": "+content)
	}
	if len(got) != 2 || !strings.Contains(strings.Join(got, "\n"), "foo: edited") || !strings.Contains(strings.Join(got, "\n"), "new: not known") {
		t.Errorf("moved aside: %q", got)
	}
	if content, err := os.ReadFile(filepath.Join(u.dir, "notes")); err != nil || string(content) != "not in the way" {
		t.Errorf("notes: %q, %v", content, err)
	}
	if !strings.Contains(u.log.String(), "were moved aside") {
		t.Errorf("nothing was said: %s", &u.log)
	}

	// Commits of his are not moved away from, until something else names them.
	indextest.Git(t, u.dir, "commit", "-q", "--allow-empty", "-m", "mine")
	mine := indextest.Git(t, u.dir, "rev-parse", "HEAD")
	u.Commit()
	if up, err := u.update(nil); err == nil || !strings.Contains(err.Error(), "keep them under a name of yours: git -C '"+u.dir+"' branch mine") {
		t.Fatalf("%+v, %v", up, err)
	}
	indextest.Git(t, u.dir, "branch", "mine")
	u.mustUpdate(nil)
	u.wantSame()
	if indextest.Git(t, u.dir, "rev-parse", "mine") != mine {
		t.Error("his branch moved")
	}
}

// An update that was killed while it wrote the working tree leaves files of the commit
// that it was on its way to. They are not a user's edits.
func TestA23KilledWhileMoving(t *testing.T) {
	u := newUpstream(t, "foo 1.0.0\nbar 1.0.0")
	kinds["checkout"](t, u)
	u.Reg.Add(simreg.MustParse("foo 1.1.0\nnew 1.0.0")...)
	half := u.Commit()
	indextest.Git(t, u.dir, "fetch", "-q", "origin", "+HEAD:"+Fetched)
	for _, path := range []string{"3/f/foo", "3/n/new"} {
		indextest.WriteFile(t, filepath.Join(u.dir, path), indextest.Git(t, u.Git, "cat-file", "blob", half+":"+path)+"\n")
	}
	u.Reg.Add(simreg.MustParse("foo 1.2.0\nnew 1.2.0")...)
	u.Commit()
	u.mustUpdate(nil)
	u.wantSame()
	if _, err := os.Stat(filepath.Join(u.dir, ".git", aside)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("moved aside: %v", everything(t, filepath.Join(u.dir, ".git", aside)))
	}
}
