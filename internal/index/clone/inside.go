package clone

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/git"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
)

// Inside calls do with the repository in a folder, while no update runs there. It must be a
// bare repository that is known to be a clone of an index. Errors: fs.ErrNotExist if there
// is none; *ForeignError; *durable.HeldError.
func Inside(ctx context.Context, cfg Config, do func(work *git.Porcelain, gitDir string) error) (err error) {
	u := updater{cfg: cfg}
	if u.cfg.Dir, err = filepath.Abs(cfg.Dir); err != nil {
		return err
	}
	root, err := os.OpenRoot(u.cfg.Dir)
	if err != nil {
		return err
	}
	gitDir, bare := git.Find(root)
	root.Close()
	if gitDir == "" {
		return fmt.Errorf("%s is not a git repository: %w", u.cfg.Dir, fs.ErrNotExist)
	}
	if !bare {
		return &ForeignError{"it has a working tree", "name another folder for the index"}
	}
	lock, err := u.takeLock(ctx)
	if err != nil {
		return err
	}
	u.lock = lock
	defer func() { err = errors.Join(err, lock.Release()) }()
	work := u.porcelain(u.cfg.Dir)
	if gitDir, err = u.ownGitDir(ctx, work, true); err != nil {
		return err
	}
	marked, err := optional(work.Run(ctx, "config", "--local", "--type=bool", "--get", mark))
	if err == nil && marked != "true" {
		err = u.foreign("it was not made by this program")
	}
	if err != nil {
		return err
	}
	return do(work, gitDir)
}

// Beside calls do with an empty bare repository beside the folder of the index, and removes
// it afterwards. It is for trying an update where there is no index yet. Errors:
// *durable.HeldError; those of Update, if it could not make a clone there.
func Beside(ctx context.Context, cfg Config, do func(work *git.Porcelain, gitDir string) error) (err error) {
	u := updater{cfg: cfg}
	if u.cfg.Dir, err = filepath.Abs(cfg.Dir); err != nil {
		return err
	}
	if u.cfg.Dir, err = behindLink(u.cfg.Dir); err != nil {
		return err
	}
	switch entries, err := os.ReadDir(u.cfg.Dir); {
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return err
	case hasFiles(entries):
		return fmt.Errorf("%s: %w", cfg.Dir, errNoRepository)
	}
	parent := filepath.Dir(u.cfg.Dir)
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return err
	}
	lock, err := u.takeLock(ctx)
	if err != nil {
		return err
	}
	u.lock = lock
	defer func() { err = errors.Join(err, lock.Release()) }()
	dir, err := os.MkdirTemp(parent, u.hidden(cloneSuffix)+"*") // a name that a later update cleans up
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	work := u.porcelain(dir)
	if err := initBare(ctx, work, dir); err != nil {
		return err
	}
	return do(work, dir)
}

// Refs are the commits that an index refers to: its HEAD and its recorded days.
type Refs struct {
	Head string // empty: there is none
	Days map[string]string
}

// ReadRefs returns the Refs of the index in a folder, which need not exist.
func ReadRefs(ctx context.Context, dir string) (refs Refs, err error) {
	root, err := os.OpenRoot(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return refs, nil
	}
	if err != nil {
		return refs, err
	}
	gitDir, _ := git.Find(root)
	root.Close()
	if gitDir == "" {
		return refs, nil
	}
	repo := &git.Repository{Dir: gitDir}
	head, err := repo.Head(ctx)
	if errors.Is(err, git.ErrUnborn) {
		return refs, nil
	}
	if err != nil {
		return refs, err
	}
	kept, err := index.KeptDays(ctx, repo)
	refs = Refs{head.Commit, map[string]string{}}
	for _, d := range kept {
		refs.Days[d.Date] = d.Commit
	}
	return refs, err
}

// Return restores the HEAD and the days of an index, in one step. Their commits must still
// exist.
func Return(ctx context.Context, cfg Config, to Refs) error {
	return Inside(ctx, cfg, func(work *git.Porcelain, gitDir string) error {
		now, err := ReadRefs(ctx, cfg.Dir)
		if err != nil {
			return err
		}
		var text strings.Builder
		for day := range now.Days {
			if to.Days[day] == "" {
				fmt.Fprintf(&text, "delete %s/%s\n", index.DaysRef, day)
			}
		}
		for day, commit := range to.Days {
			fmt.Fprintf(&text, "update %s/%s %s\n", index.DaysRef, day, commit)
		}
		fmt.Fprintf(&text, "update %s %s\nupdate HEAD %s\n", previous, now.Head, to.Head)
		_, err = work.Feed(ctx, text.String(), "update-ref", "--stdin")
		return err
	})
}
