package carry

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/git"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
)

// Write writes a bundle of the index in a folder, which is a clone of any kind. The bundle has
// everything that leads to a commit and to the recorded days before it, except what the commits in
// since have, and what leads to those: the other side has their history as it is here, including
// where it ends. Commits in since that the clone lacks are ignored; if none is left, the bundle has
// everything. Write returns the header that it wrote.
//
// The same objects in the same packs make the same bundle. Errors: index.ErrNoPast for a plain
// folder; git.ErrUnborn if there is no such commit.
func Write(ctx context.Context, dir string, since []string, commit string, to io.Writer) (Header, error) {
	h, err := write(ctx, dir, since, commit, to)
	if err != nil {
		err = fmt.Errorf("carrying commit %.40s of index %s: %w", commit, dir, err)
	}
	return h, err
}

func write(ctx context.Context, dir string, since []string, commit string, to io.Writer) (h Header, err error) {
	repo, err := Repository(dir)
	if err != nil {
		return h, err
	}
	if err := checkID(commit); err != nil {
		return h, err
	}
	if h, err = describe(ctx, repo, since, commit); err != nil {
		return h, err
	}
	if h.Shallow, err = ends(ctx, repo, h); err != nil {
		return h, err
	}
	out := bufio.NewWriter(to)
	if _, err := io.WriteString(out, h.text()); err != nil {
		return h, err
	}
	if err := pack(ctx, repo, h, out); err != nil {
		return h, err
	}
	return h, out.Flush()
}

// Repository returns the git repository of the index in a folder. Errors: index.ErrNoPast.
func Repository(dir string) (*git.Repository, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	gitDir, _ := git.Find(root)
	if gitDir == "" {
		return nil, index.ErrNoPast
	}
	return &git.Repository{Dir: gitDir, Cache: deltaBases, Config: []string{"core.packedGitLimit=64m", "core.packedGitWindowSize=4m", "pack.deltaCacheSize=32m"}}, nil
}

// deltaBases bounds git's cache of objects, in bytes. Together with the mapped packs, git
// then uses at most some 110 MB for an increment of 25,000 objects, and twice the time that
// it takes with 400 MB.
const deltaBases = 64 << 20

// Known returns a commit that another clone has, which was at commit at a known time, and
// that this clone still has. It is the commit itself or, if upstream squashed its history
// and git removed the old one, the last recorded day before it; "" if there is none.
func Known(ctx context.Context, repo *git.Repository, commit string, of time.Time) (string, error) {
	_, err := repo.Revision(ctx, commit+"^{commit}")
	if !errors.Is(err, git.ErrUnborn) {
		return commit, err
	}
	kept, err := index.KeptDays(ctx, repo)
	for _, d := range slices.Backward(kept) {
		if d.Time.Before(of) {
			return d.Commit, err
		}
	}
	return "", err
}

// describe finds what to carry, except where its history ends.
func describe(ctx context.Context, repo *git.Repository, since []string, commit string) (h Header, err error) {
	rev, err := repo.Revision(ctx, commit)
	if err != nil {
		return h, err
	}
	h = Header{Commit: rev.Commit, Days: map[string]string{}}
	kept, err := index.KeptDays(ctx, repo)
	if err != nil {
		return h, err
	}
	for _, d := range kept {
		if !d.Time.After(rev.Time) { // an update may run meanwhile
			h.Days[d.Date] = d.Commit
		}
	}
	if h.Since, err = known(ctx, repo, since); err != nil || len(h.Since) == 0 {
		return h, err
	}
	return h, leaveOut(ctx, repo, h)
}

// leaveOut removes the days from a header that the other side already has.
func leaveOut(ctx context.Context, repo *git.Repository, h Header) error {
	carried := map[string]bool{}
	for _, id := range h.Days {
		carried[id] = false
	}
	err := repo.EachCommit(ctx, func(rev git.Revision) error {
		if _, isDay := carried[rev.Commit]; isDay {
			carried[rev.Commit] = true
		}
		return nil
	}, append(append(h.tips(), "--not"), h.Since...)...)
	maps.DeleteFunc(h.Days, func(_, id string) bool { return !carried[id] })
	return err
}

// known returns the given commits that a clone has.
func known(ctx context.Context, repo *git.Repository, ids []string) (list []string, err error) {
	for _, id := range slices.Compact(slices.Sorted(slices.Values(ids))) {
		if err := checkID(id); err != nil {
			return nil, err
		}
		_, err := repo.Revision(ctx, id+"^{commit}")
		if err == nil {
			list = append(list, id)
		} else if !errors.Is(err, git.ErrUnborn) {
			return nil, err
		}
	}
	return list, nil
}

// ends returns the commits at which history ends here and that the other side lacks.
func ends(ctx context.Context, repo *git.Repository, h Header) ([]string, error) {
	all, err := shallow(filepath.Join(repo.Dir, "shallow"))
	if err != nil || len(all) == 0 {
		return nil, err
	}
	var found []string
	err = repo.EachCommit(ctx, func(rev git.Revision) error {
		if all[rev.Commit] {
			found = append(found, rev.Commit)
		}
		return nil
	}, append(append(h.tips(), "--not"), h.Since...)...)
	slices.Sort(found)
	return found, err
}

// shallow reads the file in which git records where history ends.
func shallow(name string) (map[string]bool, error) {
	data, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	all := map[string]bool{}
	for id := range strings.FieldsSeq(string(data)) {
		all[id] = true
	}
	return all, err
}

// tips returns the carried commits, each once; their ancestors are carried, too.
func (h Header) tips() []string {
	return slices.Compact(slices.Sorted(slices.Values(append(slices.Collect(maps.Values(h.Days)), h.Commit))))
}

// text returns the header as it precedes the pack.
func (h Header) text() string {
	var b strings.Builder
	b.WriteString(signature)
	for _, id := range h.Since {
		fmt.Fprintf(&b, "-%s\n", id)
	}
	fmt.Fprintf(&b, "%s %s\n", h.Commit, branch)
	for _, day := range slices.Sorted(maps.Keys(h.Days)) {
		fmt.Fprintf(&b, "%s %s/%s\n", h.Days[day], index.DaysRef, day)
	}
	for _, id := range h.Shallow {
		fmt.Fprintf(&b, "%s %s/%s\n", id, shallowRef, id)
	}
	b.WriteString("\n")
	return b.String()
}

// pack writes the objects. With "--shallow", the trees of prerequisites that are not
// ancestors count as present, which matters after every squash. With one thread, the same
// objects make the same pack.
func pack(ctx context.Context, repo *git.Repository, h Header, to io.Writer) error {
	revs := strings.Join(h.tips(), "\n") + "\n"
	for _, id := range h.Since {
		revs += "^" + id + "\n"
	}
	args := []string{"-c", "pack.threads=1", "-c", "pack.writeBitmapHashCache=false", "pack-objects", "--revs", "--stdout", "--delta-base-offset", "--quiet"}
	if len(h.Since) > 0 {
		// Do not reuse how objects are packed here: after many fetches, or an import, they
		// are packed worse than they could be against what the other side has.
		args = append(args, "--thin", "--shallow", "--no-reuse-delta")
	}
	return repo.Pipe(ctx, revs, to, args...)
}
