package clone

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/git"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
)

// clone makes a shallow clone, under another name until it is complete: beside the folder,
// or inside it if the folder exists, because it may be a mount point, which can be neither
// removed nor replaced.
func (u *updater) clone(ctx context.Context, parent string) (up Updated, err error) {
	if u.cfg.Carried == nil {
		u.url, err = git.TransportURL(cmp.Or(u.cfg.URL, index.DefaultURL))
	}
	if err != nil {
		return up, err
	}
	temp, err := os.MkdirTemp(parent, u.hidden(cloneSuffix)+"*")
	if err != nil {
		return up, err
	}
	defer os.RemoveAll(temp)
	if err := os.Chmod(temp, 0o755); err != nil { // other users may serve it
		return up, err
	}
	if up.After, err = u.cloneInto(ctx, temp); err != nil {
		return up, err
	}
	return up, u.publish(parent, temp)
}

// publish gives a clone its final name. Git syncs its objects, but not all of its small
// files.
func (u *updater) publish(parent, clone string) error {
	folder, err := durable.Open(parent)
	if err != nil {
		return err
	}
	defer folder.Close()
	if err := folder.SyncAll(); err != nil && !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	if parent == u.cfg.Dir {
		whole := filepath.Join(parent, u.hidden(wholeSuffix))
		if err = os.Rename(clone, whole); err == nil {
			err = u.moveIn(whole)
		}
	} else {
		err = os.Rename(clone, u.cfg.Dir)
	}
	if err != nil {
		return err
	}
	return folder.SyncDir(".")
}

// moveIn moves the files of a clone to the folder around it. Git does not take that for a
// repository until it has a HEAD with everything behind it, so a bare clone gets HEAD last.
// In a checkout only .git matters, so that is moved first.
func (u *updater) moveIn(clone string) error {
	entries, err := os.ReadDir(clone)
	if err != nil {
		return err
	}
	turn := map[string]int{".git": -1, "HEAD": 1}
	slices.SortStableFunc(entries, func(a, b fs.DirEntry) int { return cmp.Compare(turn[a.Name()], turn[b.Name()]) })
	for _, e := range entries {
		if err := os.Rename(filepath.Join(clone, e.Name()), filepath.Join(u.cfg.Dir, e.Name())); err != nil {
			return err
		}
	}
	return os.Remove(clone)
}

func (u *updater) cloneInto(ctx context.Context, dir string) (git.Revision, error) {
	work := u.porcelain(filepath.Dir(dir))
	kind, gitDir := "--bare", dir
	if u.cfg.Checkout {
		kind, gitDir = "--no-checkout", filepath.Join(dir, ".git")
	}
	if u.cfg.Carried != nil {
		return u.carryInto(ctx, dir)
	}
	err := work.Network(ctx, gitDir, "clone", kind, "--depth=1", "--single-branch", "--no-tags", "--template=", "--progress",
		"-c", mark+"=true", "-c", "core.logAllRefUpdates=false", "-c", "core.autocrlf=false", "--end-of-options", u.url, dir)
	if err != nil {
		return git.Revision{}, err
	}
	repo := &repository{&git.Repository{Dir: gitDir}}
	head, err := repo.Head(ctx)
	if errors.Is(err, git.ErrUnborn) {
		err = index.ErrEmpty
	}
	if err == nil {
		err = u.examine(ctx, repo, Updated{After: head})
	}
	if err == nil {
		err = u.keepDays(ctx, u.porcelain(dir), repo, []string{head.Commit})
	}
	if err == nil && u.cfg.Checkout {
		err = move(ctx, u.porcelain(dir), gitDir, false, head.Commit)
	}
	return head, err
}

// carryInto makes a bare clone from what is carried.
func (u *updater) carryInto(ctx context.Context, dir string) (head git.Revision, err error) {
	work, repo := u.porcelain(dir), &repository{&git.Repository{Dir: dir}}
	if err := initBare(ctx, work, dir); err != nil {
		return head, err
	}
	if err := u.cfg.Carried(ctx, work, dir); err != nil {
		return head, err
	}
	if head, err = repo.Revision(ctx, Fetched); err != nil {
		return head, err
	}
	if err := u.examine(ctx, repo, Updated{After: head}); err != nil {
		return head, err
	}
	if err := u.keepDays(ctx, work, repo, []string{head.Commit}); err != nil {
		return head, err
	}
	return head, move(ctx, work, dir, true, head.Commit)
}

// initBare makes an empty repository and marks it as ours.
func initBare(ctx context.Context, work *git.Porcelain, dir string) error {
	for _, command := range [][]string{
		{"init", "--bare", "--quiet", "--template=", "--initial-branch=master", "--object-format=sha1", "--end-of-options", dir},
		{"config", "--local", mark, "true"},
		{"config", "--local", "core.logAllRefUpdates", "false"},
	} {
		if _, err := work.Run(ctx, command...); err != nil {
			return err
		}
	}
	return nil
}

// Suffixes of the names of clones: of a clone being made, and of one being moved in.
const (
	cloneSuffix = ".clone-"
	wholeSuffix = ".whole"
)

// lostFound is in the root of some file systems, such as ext4.
const lostFound = "lost+found"

// sweepClones removes what a killed run has left, or resumes it. We hold the lock, so no
// other process makes a clone here.
func (u *updater) sweepClones(parent string) error {
	entries, err := os.ReadDir(parent)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		left := filepath.Join(parent, e.Name())
		switch {
		case !e.IsDir():
			continue
		case e.Name() == u.hidden(wholeSuffix) && parent == u.cfg.Dir:
			err = u.moveIn(left)
		case strings.HasPrefix(e.Name(), u.hidden(cloneSuffix)):
			u.cfg.Log.Info("removing a clone that was not completed", "dir", left)
			err = os.RemoveAll(left)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
