package index

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
)

// clone makes a shallow clone, under another name until it is complete.
func (u *updater) clone(ctx context.Context) (up Updated, err error) {
	if u.url, err = transportURL(cmp.Or(u.cfg.URL, DefaultURL)); err != nil {
		return up, err
	}
	temp, err := os.MkdirTemp(filepath.Dir(u.cfg.Dir), filepath.Base(u.sibling(cloneSuffix))+"*")
	if err != nil {
		return up, err
	}
	defer os.RemoveAll(temp)
	if err := os.Chmod(temp, 0o755); err != nil { // others may serve it
		return up, err
	}
	if up.After, err = u.cloneInto(ctx, temp); err != nil {
		return up, err
	}
	return up, u.publish(temp)
}

// publish gives a clone its name, in the place of an empty folder or of nothing.
// Git syncs its objects, but not all of its small files.
func (u *updater) publish(clone string) error {
	parent, err := durable.Open(filepath.Dir(u.cfg.Dir))
	if err != nil {
		return err
	}
	defer parent.Close()
	if err := parent.SyncAll(); err != nil && !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	if err := os.Remove(u.cfg.Dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Rename(clone, u.cfg.Dir); err != nil {
		return err
	}
	return parent.SyncDir(".")
}

func (u *updater) cloneInto(ctx context.Context, dir string) (Revision, error) {
	work := u.porcelain(filepath.Dir(dir))
	kind, gitDir := "--bare", dir
	if u.cfg.Checkout {
		kind, gitDir = "--no-checkout", filepath.Join(dir, ".git")
	}
	err := work.network(ctx, gitDir, "clone", kind, "--depth=1", "--single-branch", "--no-tags", "--template=", "--progress",
		"-c", mark+"=true", "-c", "core.logAllRefUpdates=false", "-c", "core.autocrlf=false", "--end-of-options", u.url, dir)
	if err != nil {
		return Revision{}, err
	}
	repo := &repository{dir: gitDir}
	head, err := repo.head(ctx)
	if errors.Is(err, errUnborn) {
		err = ErrEmpty
	}
	if err == nil {
		err = u.examine(ctx, repo, Updated{After: head})
	}
	if err == nil && u.cfg.Checkout {
		err = move(ctx, u.porcelain(dir), gitDir, false, head.Commit)
	}
	return head, err
}

// cloneSuffix is for the names of clones that are being made.
// lostFound is in the root of some file systems, such as ext4.
const lostFound = "lost+found"

const cloneSuffix = ".clone-"

// sweepClones removes what a killed run has left. Nobody else makes a clone
// here while we hold the lock.
func (u *updater) sweepClones() error {
	parent, prefix := filepath.Split(u.sibling(cloneSuffix))
	entries, err := os.ReadDir(parent)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !e.IsDir() || !strings.HasPrefix(e.Name(), prefix) {
			continue
		}
		u.cfg.Log.Info("removing a clone that was not completed", "dir", parent+e.Name())
		if err := os.RemoveAll(parent + e.Name()); err != nil {
			return err
		}
	}
	return nil
}
