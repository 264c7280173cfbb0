// Package clone maintains a git repository as a clone of an index: it clones, fetches,
// examines what it fetched and moves to it, all or nothing.
//
// It changes a repository only if that is known to be a clone of an index: we made it, it
// is provably nothing else, or its owner says so ([ForeignError]). The fetched index must
// not have lost more than [index.MaxShrink] percent of the crates, nor go back in time. The
// last commit of each day is recorded, so that it survives changes of upstream's history.
//
// Apart from counting files, this package does not read an index. Package index does, at
// any time, even while an update runs or after it was killed. Package git runs git.
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

// A Config says which index to update, and from where. Only Dir is required.
type Config struct {
	// Dir is the index: a checkout or a bare repository. If it does not exist or is empty,
	// Update makes a shallow clone.
	Dir string
	// URL is the repository to follow: https, http, ssh, git or file, or an absolute path.
	// If empty, it is the one that Dir was cloned from, or [index.DefaultURL].
	URL string
	// Checkout gives a new clone a working tree, which takes some 3 GB more and is faster
	// to read. An existing clone stays as it is.
	Checkout bool
	// KeepDays thins out the recorded days of the index: it keeps the last KeepDays days,
	// and the last day of each month before them. If 0, all days are kept.
	KeepDays int
	// AcceptShrink accepts upstream's index although it lost more than [index.MaxShrink]
	// percent of the crates, went back in time or is empty.
	AcceptShrink bool
	// Carried replaces a fetch from URL, to bring upstream's index without a network. It
	// receives the git directory, may add objects and references to it, and makes [Fetched]
	// name the commit. A new clone is then bare.
	Carried func(ctx context.Context, work *git.Porcelain, gitDir string) error
	// Progress is called with git's progress lines, such as "Receiving objects:  45% (...)",
	// several times per second and from another goroutine. The text is untrusted. It may be
	// nil.
	Progress func(text string)
	// Log receives what was repaired on the way. If nil, nothing is logged.
	Log *slog.Logger

	patience time.Duration // with another update; default 10 s
	silence  time.Duration // of upstream; see git.Porcelain
}

// Updated is the result of an update.
type Updated struct {
	Before git.Revision // zero: there was no index
	After  git.Revision
}

// Changed reports whether the index differs from before.
func (u Updated) Changed() bool { return u.Before.Commit != u.After.Commit }

// UpdateError says why an index was not updated.
type UpdateError struct {
	Dir string
	Err error
}

func (e *UpdateError) Error() string { return "updating the index " + e.Dir + ": " + e.Err.Error() }
func (e *UpdateError) Unwrap() error { return e.Err }

// Update brings the index in a directory up to upstream's: it clones, or it fetches and moves.
// Upstream may squash its history, as crates.io does every few months: the new commit then has no
// parent, and the move is forced.
//
// Update examines what it fetched before anything moves: until it returns without error, HEAD and
// the working tree are unchanged. A clone gets its name once it is complete. So readers always see
// a complete index, during an update and after a kill.
//
// A clone with full history keeps it; a shallow one has the history since its beginning. The last
// commit of each day stays, whatever happens to upstream's history (see [index.Index.Days]). In a
// checkout, files that git tracks get the content of the commit; others are left alone. Two updates
// of one directory exclude each other, even if the git of a killed one still runs.
//
// Errors: *durable.HeldError; *UpdateError, which wraps durable.ErrNoSpace if the disk is full.
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
		err = context.Cause(ctx) // says more than the resulting error
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
	url  string // to fetch from, in the form for git
}

// porcelain returns a git that writes to the index in a folder and fetches from upstream.
func (u *updater) porcelain(dir string) *git.Porcelain {
	return &git.Porcelain{
		Dir: dir, URL: func() string { return u.url }, Lock: u.lock, Progress: u.cfg.Progress, Silence: u.cfg.silence,
	}
}

// takeLock waits briefly for a held lock: after a run is killed, its git holds the lock
// until it notices.
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

// sibling returns the path of a hidden file beside the index.
func (u *updater) sibling(suffix string) string {
	return filepath.Join(filepath.Dir(u.cfg.Dir), u.hidden(suffix))
}

// hidden returns the name of a hidden file that belongs to the index.
func (u *updater) hidden(suffix string) string { return "." + filepath.Base(u.cfg.Dir) + suffix }

var errNoRepository = errors.New("it is not a git repository, so it cannot be updated: leave it as it is with -skip-index-update, or name another folder")

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

// hasFiles reports whether a folder has more files than its file system puts there.
func hasFiles(entries []fs.DirEntry) bool {
	return slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return e.Name() != lostFound })
}

// behindLink returns the target of dir if it is a link: an index that was moved to another
// disk must be cloned there, and not replace the link.
func behindLink(dir string) (string, error) {
	info, err := os.Lstat(dir)
	if err != nil || info.Mode()&fs.ModeSymlink == 0 {
		return dir, nil // opening it reports the problem
	}
	target, err := filepath.EvalSymlinks(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("it is a link to a folder that is not there: make that, or mount its disk: %w", err)
	}
	return target, err
}

const (
	// Fetched is the reference to what was fetched, until it is examined.
	Fetched = "refs/clonecratesio/fetched"
	// previous is a reference that keeps git from removing the earlier index, which others
	// may be reading, and with which the new one is compared.
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
		// Set this before the day names another commit: after a kill, the next update must
		// find that HEAD came from upstream.
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

// fetch fetches upstream's commit, and those between it and ours. A repository without
// commits gets no history.
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

// move moves HEAD, whatever its branch, and the working tree to the commit.
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

// keepBytes makes git write the working tree byte for byte as in the commit: it converts no
// line ends and runs no filter that an attribute in the index names.
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
