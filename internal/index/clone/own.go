package clone

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/git"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
)

// mark is the key in the configuration of a repository that makes it ours: we made it, or
// it was once proved to be nothing but a copy of an index, or its owner set the mark.
const mark = "clonecratesio.index"

// A ForeignError rejects a git repository that may be a user's own work. Nothing in it was
// changed.
type ForeignError struct {
	Found string // why it may be
	Way   string // what the user can do
}

func (e *ForeignError) Error() string {
	return "this git repository may be your own work, so nothing in it was touched: " + e.Found + "; " + e.Way
}

// foreign returns the error for a repository that is not provably ours.
func (u *updater) foreign(format string, args ...any) error {
	way := fmt.Sprintf("name another folder, or, if all in this one may be replaced, say so: git -C '%s' config %s true", u.cfg.Dir, mark)
	return &ForeignError{fmt.Sprintf(format, args...), way}
}

// ownGitDir returns the git directory of the folder of the index, as git sees it. It must
// belong to that folder only: not to a repository around it, a linked worktree or a
// submodule, and its files must not be elsewhere.
func (u *updater) ownGitDir(ctx context.Context, work *git.Porcelain, bare bool) (string, error) {
	elsewhere := "name a folder of its own for the index"
	want := u.cfg.Dir
	if !bare {
		want = filepath.Join(want, ".git")
		if info, err := os.Stat(want); err == nil && !info.IsDir() {
			return "", &ForeignError{"its .git is a file, as linked worktrees and submodules have it", elsewhere}
		}
	}
	answers, err := work.Run(ctx, "rev-parse", "--is-bare-repository", "--absolute-git-dir")
	if err != nil {
		return "", err
	}
	isBare, gitDir, _ := strings.Cut(answers, "\n") // a path may have line breaks, so it is last
	if !sameFile(gitDir, want) {
		return "", &ForeignError{"git takes it for a part of " + gitDir, elsewhere}
	}
	if isBare != fmt.Sprint(bare) {
		return "", &ForeignError{"it is the git directory of a working tree elsewhere (core.bare is " + isBare + ")", elsewhere}
	}
	if bare {
		return gitDir, nil
	}
	tree, err := work.Run(ctx, "rev-parse", "--show-toplevel")
	if err == nil && !sameFile(tree, u.cfg.Dir) {
		err = &ForeignError{"its working tree is " + tree + " (core.worktree)", elsewhere}
	}
	return gitDir, err
}

func sameFile(a, b string) bool {
	x, errX := os.Stat(a)
	y, errY := os.Stat(b)
	return errX == nil && errY == nil && os.SameFile(x, y)
}

// A claim is the reason why a repository is ours to move.
type claim struct {
	u      *updater
	repo   *repository
	head   git.Revision // zero: unborn
	marked bool
	remote string // the remote from which it provably came
	doubt  error  // a doubt that what is fetched must resolve
	pure   bool   // HEAD and all its ancestors came from upstream
}

// claim finds the mark or a proof, and what to fetch from. Without a mark, the repository
// must be a clone of the wanted index with a config.json, and have neither edits nor
// commits that upstream never had.
func (u *updater) claim(ctx context.Context, work *git.Porcelain, repo *repository, head git.Revision) (*claim, error) {
	value, err := optional(work.Run(ctx, "config", "--local", "--type=bool", "--get", mark))
	if err != nil {
		return nil, err
	}
	c := &claim{u: u, repo: repo, head: head, marked: value == "true"}
	remotes, err := readRemotes(ctx, work)
	if err != nil {
		return nil, err
	}
	if err := c.chooseURL(remotes); err != nil {
		return nil, err
	}
	if !c.marked {
		if err := c.prove(ctx); err != nil {
			return nil, err
		}
	}
	err = c.checkCommits(ctx)
	if repo.Tree == "" && errors.As(err, new(*ForeignError)) {
		c.doubt, err = err, nil // without remote-tracking branches, fetching tells
	}
	return c, err
}

// optional returns an empty value for a "git config" that found nothing.
func optional(value string, err error) (string, error) {
	if exit, ok := errors.AsType[*exec.ExitError](err); ok && exit.ExitCode() == 1 {
		return "", nil
	}
	return value, err
}

// origin is the name of the remote from which git clones.
const origin = "origin"

// chooseURL chooses what to fetch from: what the operator named, or what the index was
// cloned from. An existing repository has no default.
func (c *claim) chooseURL(remotes map[string]string) (err error) {
	asked := c.u.cfg.URL
	switch {
	case c.u.cfg.Carried != nil && c.marked:
		return nil
	case c.u.cfg.Carried != nil:
		return c.u.foreign("it was not made by this program")
	case asked == "" && remotes[origin] != "":
		asked, c.remote = remotes[origin], origin
	case asked == "" && c.marked:
		return fmt.Errorf("it has no remote %q that says where it was cloned from: name that with -index-url", origin)
	case asked == "":
		return c.u.foreign("it has no remote %q that says where it was cloned from", origin)
	default:
		for name, url := range remotes { // a clone of crates.io may move to a mirror of it
			if git.SameRepository(url, asked) || c.remote == "" && git.SameRepository(url, index.DefaultURL) {
				c.remote = name
			}
		}
	}
	if c.remote == "" && !c.marked {
		was := remotes[origin]
		if was == "" {
			return c.u.foreign("it has no remote, so it was not cloned from %s", git.WithoutPassword(asked))
		}
		return c.u.foreign("it was cloned from %s, not from %s", git.WithoutPassword(was), git.WithoutPassword(asked))
	}
	c.u.url, err = git.TransportURL(asked)
	return err
}

// prove proves that a repository with the right origin is nothing but a copy of an index.
func (c *claim) prove(ctx context.Context) error {
	if c.head.Commit == "" {
		return c.proveEmpty(ctx)
	}
	text, err := c.repo.Output(ctx, "cat-file", "blob", c.head.Commit+":config.json")
	if err != nil && !errors.As(err, new(*exec.ExitError)) {
		return err
	}
	var config struct{ DL string }
	if err != nil || json.Unmarshal([]byte(text), &config) != nil || config.DL == "" {
		return c.u.foreign(`it is no index of crates: it has no config.json with a "dl"`)
	}
	if c.repo.Tree == "" {
		return nil
	}
	return c.repo.eachEdit(ctx, func(path string) error {
		return c.u.foreign("%q was changed and not committed (git status lists such files)", path)
	})
}

// proveEmpty proves that a repository is empty, as an interrupted clone is.
func (c *claim) proveEmpty(ctx context.Context) error {
	ref, err := c.repo.Output(ctx, "for-each-ref", "--count=1", "--format=%(refname)", "refs/heads")
	if err != nil {
		return err
	}
	if ref != "" {
		return c.u.foreign("its HEAD names no commit, but there is %s", ref)
	}
	entries, err := os.ReadDir(c.u.cfg.Dir)
	if c.repo.Tree == "" || err != nil {
		return err
	}
	for _, e := range entries {
		if e.Name() != ".git" && e.Name() != lostFound {
			return c.u.foreign("its HEAD names no commit, but there is %q", e.Name())
		}
	}
	return nil
}

// checkCommits looks for ancestors of HEAD that upstream never had, which are those that no
// fetched reference leads to. With a mark, any other reference to them suffices.
func (c *claim) checkCommits(ctx context.Context) (err error) {
	if c.head.Commit == "" {
		return nil
	}
	// A commit at which history ends was fetched that way, and not made here.
	if c.pure, err = hasLine(filepath.Join(c.repo.Dir, "shallow"), c.head.Commit); c.pure || err != nil {
		return err
	}
	upstreams := []string{"--glob=refs/clonecratesio/*"}
	if c.remote != "" {
		upstreams = append(upstreams, "--remotes="+globEscape(c.remote))
	}
	if c.pure, err = c.without(ctx, upstreams...); c.pure || err != nil {
		return err
	}
	const found = "HEAD has commits that upstream never had (git log HEAD)"
	if !c.marked {
		return c.u.foreign(found)
	}
	others := []string{"--glob=refs/*"}
	branch, err := optional(c.repo.Output(ctx, "symbolic-ref", "--quiet", "HEAD"))
	if branch != "" {
		others = slices.Insert(others, 0, "--exclude="+branch)
	}
	if err != nil {
		return err
	}
	kept, err := c.without(ctx, others...)
	if err == nil && !kept {
		err = &ForeignError{found, fmt.Sprintf("keep them under a name of yours: git -C '%s' branch mine", c.u.cfg.Dir)}
	}
	return err
}

// without reports whether all ancestors of HEAD are reachable from some references.
func (c *claim) without(ctx context.Context, references ...string) (bool, error) {
	n, err := c.repo.Output(ctx, append([]string{"rev-list", "--count", c.head.Commit, "--not"}, references...)...)
	return n == "0", err
}

// tips returns the commits of upstream that the index was and is at.
func (c *claim) tips(after git.Revision) []string {
	if c.pure {
		return []string{c.head.Commit, after.Commit}
	}
	return []string{after.Commit}
}

// hasLine reports whether a file exists and has a line.
func hasLine(file, line string) (bool, error) {
	f, err := os.Open(file)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if lines.Text() == line {
			return true, nil
		}
	}
	return false, lines.Err()
}

// settle checks whether what was fetched resolves the doubt. If not, it removes what was
// fetched.
func (c *claim) settle(ctx context.Context, work *git.Porcelain) error {
	if c.doubt == nil {
		return nil
	}
	err := c.checkCommits(ctx)
	if err != nil {
		_, forget := work.Run(ctx, "update-ref", "-d", Fetched)
		err = errors.Join(err, forget)
	}
	return err
}

// take ensures that a move to a commit loses nothing, and marks the repository as ours. In
// a repository that was marked before, it moves a user's files aside.
func (c *claim) take(ctx context.Context, work *git.Porcelain, commit string, known ...string) error {
	if c.marked {
		if c.repo.Tree == "" {
			return nil
		}
		return c.u.moveAside(ctx, c.repo, commit, known...)
	}
	if c.repo.Tree != "" && c.head.Commit != "" {
		if err := c.repo.obstacles(ctx, commit, func(path string) error {
			return c.u.foreign("%q would be overwritten, and is in no commit", path)
		}, known...); err != nil {
			return err
		}
	}
	_, err := work.Run(ctx, "config", "--local", mark, "true")
	return err
}

// readRemotes returns the URLs of a repository's remotes.
func readRemotes(ctx context.Context, work *git.Porcelain) (map[string]string, error) {
	out, err := optional(work.Run(ctx, "config", "--local", "-z", "--get-regexp", `^remote\..*\.url$`))
	if err != nil {
		return nil, err
	}
	remotes := map[string]string{}
	for pair := range strings.SplitSeq(out, "\x00") {
		key, url, _ := strings.Cut(pair, "\n")
		name := strings.TrimSuffix(strings.TrimPrefix(key, "remote."), ".url")
		if _, found := remotes[name]; !found && name != "" {
			remotes[name] = url
		}
	}
	return remotes, nil
}
