// Package clone keeps a git repository as a clone of an index: it clones, fetches,
// examines what came and moves to it, all or nothing.
//
// A repository is touched only if it is known to be a clone of an index: because we
// made it, because it is proved to be nothing else, or because its owner says so
// ([ForeignError]). What is fetched may not have lost more of the crates than
// [index.MaxShrink] percent, nor go back in time. The last commit of each day is
// kept, whatever becomes of upstream's history.
//
// It does not read what is in an index, but for counting its files: that is for
// package index, which can read at any time, also while an update runs or after it
// was killed. How git is run is for package git.
package clone

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/git"
)

// A Config says which index to update, and from where. Only Dir must be given.
type Config struct {
	// Dir is the index: a checkout or a bare repository. If it is not there, or
	// empty, a shallow clone is made.
	Dir string
	// URL is the repository that is followed: https, http, ssh, git or file, or
	// an absolute path. If empty, it is the one that Dir was cloned from, or
	// [index.DefaultURL].
	URL string
	// Checkout gives a new clone a working tree, which takes some 3 GB more and
	// is read faster. One that is there stays what it is.
	Checkout bool
	// KeepDays thins out what is kept of the index's past: every day of the last
	// KeepDays, and the last day of each month before them. If 0, every day is
	// kept.
	KeepDays int
	// AcceptShrink takes what upstream has although it lost more than [index.MaxShrink]
	// percent of the crates, went back in time or is empty.
	AcceptShrink bool
	// Carried brings what upstream has where no network reaches it, in place of a
	// fetch from URL. It is given the git directory, which it may add objects and
	// references to, and makes [Fetched] name the commit. A new clone is bare then.
	Carried func(ctx context.Context, work *git.Porcelain, gitDir string) error
	// Progress is called with git's progress lines, such as "Receiving objects:  45% (...)",
	// some times a second and from another goroutine. The text is untrusted. It may be nil.
	Progress func(text string)
	// Log gets what was repaired on the way. If nil, it is dropped.
	Log *slog.Logger

	patience time.Duration // with another update; default 10 s
	silence  time.Duration // of upstream; see git.Porcelain
}

// Updated is what an update has done.
type Updated struct {
	Before git.Revision // zero: there was nothing
	After  git.Revision
}

// Changed reports whether the index is another than before.
func (u Updated) Changed() bool { return u.Before.Commit != u.After.Commit }

// UpdateError says why an index is what it was.
type UpdateError struct {
	Dir string
	Err error
}

func (e *UpdateError) Error() string { return "updating the index " + e.Dir + ": " + e.Err.Error() }
func (e *UpdateError) Unwrap() error { return e.Err }

// Update makes the index in a directory the one that upstream has now: it
// clones, or it fetches and moves. Upstream may squash its history, as crates.io
// does every few months: the new commit then has no parent, and the move is
// forced.
//
// What was fetched is examined before anything moves: until Update returns without error,
// HEAD and the working tree are what they were. A clone gets its name when it is
// complete. So readers of the index meanwhile, or after a kill, read a whole one.
//
// A clone with its full history keeps it; a shallow one has one from where it
// begins. The last commit of each day stays, whatever becomes of upstream's history
// (see [index.Index.Days]). In a checkout, files that git knows become what the commit says; others
// are left alone. Two updates of one directory exclude each other, also when the
// git of a killed one lives on.
//
// Errors: *durable.HeldError; *UpdateError, with durable.ErrNoSpace in it when the
// disk is full.
func Update(ctx context.Context, cfg Config) (up Updated, err error) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	u := updater{cfg: cfg}
	if u.cfg.Dir, err = filepath.Abs(cfg.Dir); err != nil {
		return up, err
	}
	if err := os.MkdirAll(filepath.Dir(u.cfg.Dir), 0o755); err != nil {
		return up, &UpdateError{cfg.Dir, err}
	}
	lock, err := u.takeLock(ctx)
	if err != nil {
		return up, err
	}
	u.lock = lock
	up, err = u.update(ctx)
	if ctx.Err() != nil {
		err = context.Cause(ctx) // says more than what came of it
	}
	if err != nil {
		up.After, err = up.Before, &UpdateError{cfg.Dir, err}
	}
	return up, errors.Join(err, lock.Release())
}

// updater is one update.
type updater struct {
	cfg  Config
	lock *durable.Lockfile
	url  string // to fetch from, as git likes it
}

// porcelain writes to the index in a folder, and fetches from upstream.
func (u *updater) porcelain(dir string) *git.Porcelain {
	return &git.Porcelain{
		Dir: dir, URL: func() string { return u.url }, Lock: u.lock, Progress: u.cfg.Progress, Silence: u.cfg.silence,
	}
}

// takeLock waits a little for a lock that is held: when a run was killed, its
// git holds it until it notices.
func (u *updater) takeLock(ctx context.Context) (*durable.Lockfile, error) {
	const pause = 100 * time.Millisecond
	patience := u.cfg.patience
	if patience == 0 {
		patience = 10 * time.Second
	}
	for start := time.Now(); ; {
		lock, err := durable.Lock(u.sibling(".lock"), durable.Self("an update of "+u.cfg.Dir))
		if !errors.As(err, new(*durable.HeldError)) || time.Since(start) > patience {
			return lock, err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// sibling is the path of a hidden file beside the index.
func (u *updater) sibling(suffix string) string {
	return filepath.Join(filepath.Dir(u.cfg.Dir), u.hidden(suffix))
}

// hidden is the name of a hidden file that belongs to the index.
func (u *updater) hidden(suffix string) string { return "." + filepath.Base(u.cfg.Dir) + suffix }

var errNoRepository = errors.New("it is no git repository, so it cannot be updated: leave it as it is with -skip-index-update, or name another folder")

func (u *updater) update(ctx context.Context) (_ Updated, err error) {
	if u.cfg.Dir, err = behindLink(u.cfg.Dir); err != nil {
		return Updated{}, err
	}
	parent := filepath.Dir(u.cfg.Dir)
	if err := errors.Join(u.sweepClones(parent), u.sweepClones(u.cfg.Dir)); err != nil {
		return Updated{}, err
	}
	entries, err := os.ReadDir(u.cfg.Dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return u.clone(ctx, parent)
	case err != nil:
		return Updated{}, err
	case !hasFiles(entries):
		return u.clone(ctx, u.cfg.Dir)
	}
	root, err := os.OpenRoot(u.cfg.Dir)
	if err != nil {
		return Updated{}, err
	}
	gitDir, bare := git.Find(root)
	root.Close()
	if gitDir == "" {
		return Updated{}, errNoRepository
	}
	return u.follow(ctx, bare)
}

// hasFiles reports whether a folder has more than what its file system puts there.
func hasFiles(entries []fs.DirEntry) bool {
	return slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return e.Name() != lostFound })
}

// behindLink returns what dir is a link to, if it is one: an index that was put on
// another disk must be cloned there, not in the place of the link.
func behindLink(dir string) (string, error) {
	info, err := os.Lstat(dir)
	if err != nil || info.Mode()&fs.ModeSymlink == 0 {
		return dir, nil // opening it reports what is wrong with it
	}
	target, err := filepath.EvalSymlinks(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("it is a link to a folder that is not there: make that, or mount its disk: %w", err)
	}
	return target, err
}

const (
	// Fetched is where what was fetched waits for its examination.
	Fetched = "refs/clonecratesio/fetched"
	// previous keeps git from throwing away what the index was before, which
	// others may be reading, and which the new one is compared with.
	previous = "refs/clonecratesio/previous"
)

// follow fetches, examines and moves.
func (u *updater) follow(ctx context.Context, bare bool) (up Updated, err error) {
	work := u.porcelain(u.cfg.Dir)
	gitDir, err := u.ownGitDir(ctx, work, bare)
	if err != nil {
		return up, err
	}
	repo := &repository{&git.Repository{Dir: gitDir}}
	if !bare {
		repo.Tree = u.cfg.Dir
	}
	if err := repo.disarm(ctx); err != nil {
		return up, err
	}
	up.Before, err = repo.Head(ctx)
	if err != nil && !errors.Is(err, git.ErrUnborn) {
		return up, err
	}
	claim, err := u.claim(ctx, work, repo, up.Before)
	if err != nil {
		return up, err
	}
	if err := u.sweepLocks(gitDir); err != nil {
		return up, err
	}
	cutOff, err := repo.Revision(ctx, Fetched) // where an earlier update may have been killed
	if err != nil && !errors.Is(err, git.ErrUnborn) {
		return up, err
	}
	if err := u.fetch(ctx, work, gitDir, up.Before); err != nil {
		return up, err
	}
	if err := claim.settle(ctx, work); err != nil {
		return up, err
	}
	if up.After, err = repo.Revision(ctx, Fetched); err != nil {
		return up, err
	}
	if up.Changed() {
		if err := u.examine(ctx, repo, up); err != nil {
			return up, err
		}
		// Before its day is another commit's: an update that is killed after that must
		// find that upstream had what HEAD is.
		if up.Before.Commit != "" {
			if _, err := work.Run(ctx, "update-ref", previous, up.Before.Commit); err != nil {
				return up, err
			}
		}
	}
	if err := u.keepDays(ctx, work, repo, claim.tips(up.After)); err != nil || !up.Changed() {
		return up, err
	}
	if err := claim.take(ctx, work, up.After.Commit, commits(up.Before, cutOff)...); err != nil {
		return up, err
	}
	if err := move(ctx, work, gitDir, bare, up.After.Commit); err != nil {
		return up, err
	}
	u.tidy(ctx, work)
	return up, nil
}

func commits(revisions ...git.Revision) (ids []string) {
	for _, r := range revisions {
		if r.Commit != "" {
			ids = append(ids, r.Commit)
		}
	}
	return ids
}

// fetch gets upstream's commit, and those between it and what we have. A
// repository that has none gets none of its history.
func (u *updater) fetch(ctx context.Context, work *git.Porcelain, gitDir string, have git.Revision) error {
	if u.cfg.Carried != nil {
		return u.cfg.Carried(ctx, work, gitDir)
	}
	args := []string{"fetch", "--progress", "--no-tags", "--no-recurse-submodules", "--no-auto-maintenance", "--no-write-fetch-head", "--force"}
	if have.Commit == "" {
		args = append(args, "--depth=1")
	}
	return work.Network(ctx, gitDir, append(args, "--end-of-options", u.url, "+HEAD:"+Fetched)...)
}

// move makes HEAD, whatever branch that is, and the working tree the commit.
func move(ctx context.Context, work *git.Porcelain, gitDir string, bare bool, commit string) error {
	if bare {
		_, err := work.Run(ctx, "update-ref", "HEAD", commit)
		return err
	}
	if err := keepBytes(gitDir); err != nil {
		return err
	}
	_, err := work.Run(ctx, "reset", "--hard", "--quiet", commit)
	return err
}

// keepBytes makes the working tree what the commit says byte for byte: no line
// ends are converted and no filter that an attribute of the index names is run.
func keepBytes(gitDir string) error {
	const attributes = "* -text -ident -filter -working-tree-encoding -export-subst\n"
	info := filepath.Join(gitDir, "info")
	if err := os.MkdirAll(info, 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(filepath.Join(info, "attributes"), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return nil // the operator's own
	}
	if err != nil {
		return err
	}
	_, err = f.WriteString(attributes)
	return errors.Join(err, f.Close())
}
